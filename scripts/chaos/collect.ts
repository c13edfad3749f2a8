/**
 * Preloaded into an instance whose memory is told: on SIGUSR2 it collects its garbage, so that what is left is held.
 */
const { gc } = globalThis as { gc?: () => void };
if (gc === undefined) throw new Error("collect.ts needs node --expose-gc");
process.on("SIGUSR2", () => gc());
