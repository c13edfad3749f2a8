/**
 * Cron expressions as a pure function of time.
 *
 * The pattern is cron's (POSIX `crontab`, five fields), with a sixth field before them for seconds, or a nickname such
 * as `@hourly`. Where a clock is set forward, a time in the gap comes once, right after it; where it is set back, a fixed time
 * comes once, and what comes every so often goes on through both hours.
 *
 * @example
 * ```ts
 * const next = compileCron("30 2 * * *", "Europe/Berlin");
 * next(Date.UTC(2026, 2, 29)); // 03:00 on the day on which there is no 02:30
 * ```
 */
import { Cron } from "croner";

/** The first time after another, in epoch milliseconds; `undefined` where none comes any more. */
export type NextTime = (after: number) => number | undefined;

/** Longer patterns say nothing that shorter ones do not. */
const MAX_PATTERN = 256;

/** Throws a `RangeError` that says what is wrong with the pattern, or with the IANA time zone. */
export function compileCron(pattern: string, timeZone: string): NextTime {
  if (!isTimeZone(timeZone)) throw new RangeError(`"${timeZone}" is no IANA time zone`);
  if (pattern.length > MAX_PATTERN) throw new RangeError(`The pattern is longer than ${MAX_PATTERN} characters`);
  if (!pattern.startsWith("@") && !/^\s*(\S+\s+){4,5}\S+\s*$/.test(pattern)) {
    throw new RangeError("The pattern has neither five fields nor six");
  }
  const cron = parse(pattern, timeZone);
  return function next(after) {
    const found = cron.nextRun(new Date(after))?.getTime();
    // A time that does not move on would be a loop in whoever asks for the one after it.
    if (found !== undefined && found <= after) {
      throw new RangeError(`"${pattern}" in ${timeZone} has no time after ${new Date(after).toISOString()}`);
    }
    return found;
  };
}

/** Whether the name is one of the IANA time zone database, as this runtime has it. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    // Offsets are no zones: they know nothing of summer time.
    return !/^[+-]/.test(name);
  } catch {
    return false;
  }
}

function parse(pattern: string, timeZone: string): Cron {
  try {
    return new Cron(pattern, { timezone: timeZone, paused: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
    throw new RangeError(`Cannot read "${pattern}": ${reason}`);
  }
}
