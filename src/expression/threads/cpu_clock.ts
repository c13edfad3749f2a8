/**
 * The processor time of one thread, which does not depend on the load of the machine.
 *
 * On Linux it is in `schedstat` (https://docs.kernel.org/scheduler/sched-stats.html), which all threads of the process
 * can read. Elsewhere it is Node's `process.threadCpuUsage` (23.9), for the calling thread only; without that there is
 * no such clock.
 */
import { openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import process from "node:process";

/** Reads the processor time of the thread that made the clock, in milliseconds. */
export type CpuClock = () => number;

/** Makes the clock of the calling thread, with the path at which other threads can read it. */
export function ownCpuClock(): { clock: CpuClock; path?: string } | undefined {
  return procClock() ?? nodeClock();
}

/** Reads a path of {@linkcode ownCpuClock}, in milliseconds; `undefined` if the thread is gone. */
export function readCpuMs(path: string): number | undefined {
  try {
    return toMs(readFileSync(path, "latin1"));
  } catch {
    return undefined;
  }
}

function procClock(): { clock: CpuClock; path: string } | undefined {
  try {
    const task = readlinkSync("/proc/thread-self").split("/").at(-1);
    const path = `/proc/self/task/${task}/schedstat`;
    const file = openSync(path, "r");
    const buffer = Buffer.alloc(96);
    const clock = () => toMs(buffer.toString("latin1", 0, readSync(file, buffer, 0, buffer.length, 0)));
    // Zero after the milliseconds of loading modules: some kernels do not count.
    return clock() > 0 ? { clock, path } : undefined;
  } catch {
    return undefined;
  }
}

function nodeClock(): { clock: CpuClock } | undefined {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => { user: number; system: number } };
  if (threadCpuUsage === undefined) return undefined;
  return {
    clock: () => {
      const { user, system } = threadCpuUsage.call(process);
      return (user + system) / 1000;
    },
  };
}

/** The first number is nanoseconds on a processor. */
function toMs(schedstat: string): number {
  return Number.parseInt(schedstat, 10) / 1e6;
}
