/**
 * The processor time of one thread: what others do on a busy machine does not count.
 *
 * On Linux it is in `schedstat` (https://docs.kernel.org/scheduler/sched-stats.html), which other threads of the
 * process can read too; elsewhere Node says it where it can (23.9 for one's own thread), and where nobody does, there is
 * none.
 */
import { openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import process from "node:process";

/** Reads the processor time of the thread that made it, in milliseconds. */
export type CpuClock = () => number;

/** The calling thread's clock, and where the other threads of the process can read it. */
export function ownCpuClock(): { clock: CpuClock; path?: string } | undefined {
  return procClock() ?? nodeClock();
}

/** Reads what {@linkcode ownCpuClock} named as its path; `undefined` if that thread is gone. */
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
    // There are kernels where it stands still: loading the modules of a thread takes some milliseconds.
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
