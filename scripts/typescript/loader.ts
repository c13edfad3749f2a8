/**
 * How a test run starts processes of ours in TypeScript.
 */

/** The arguments that come before the file. */
export const TYPESCRIPT: readonly string[] = ["--import", new URL("register.js", import.meta.url).href];
