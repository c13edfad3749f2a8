/**
 * What the Redis driver says of itself in `/health`.
 */
import type { RedisClock } from "./connection/clock.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Probe } from "./connection/probe.ts";
import type { StoreHealth } from "../../telemetry/store_health.ts";

/** Asks the server for one round trip; what keeps it from taking writes counts too. */
export async function storeHealth(
  { commands, clock, probe }: { commands: RedisConnection; clock: RedisClock; probe: Probe },
): Promise<StoreHealth> {
  if (commands.ready && probe.reason !== undefined) return { status: "error", detail: probe.reason };
  const startedAt = performance.now();
  try {
    await commands.send(["PING"], { deadlineMs: 2000 });
    const latency = Math.round((performance.now() - startedAt) * 100) / 100;
    return { status: "up", latency, clockOffsetMs: clock.systemOffsetMs };
  } catch (error) {
    return {
      status: commands.ready ? "error" : "down",
      detail: error instanceof Error ? error.message : String(error),
    };
  }
}
