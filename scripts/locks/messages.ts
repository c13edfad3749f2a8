/**
 * What contenders for a lock and the resource that it protects say to each other.
 */

/** What a contender is started with, as JSON in the environment. */
export interface ContenderSettings {
  readonly url: string;
  readonly prefix: string;
  readonly name: string;
  readonly process: string;
  readonly contenders: number;
  readonly ttlMs: number;
}

/** What it sends. Times are microseconds of the machine's monotonic clock. */
export type ContenderMessage =
  /** The lock is asked for. */
  | { readonly type: "ask"; readonly owner: string; readonly askedAt: number }
  /** The first write under a grant. */
  | { readonly type: "enter"; readonly owner: string; readonly fence: number; readonly grantedAt: number }
  /** The last write under a grant, and who waits by then, in order. */
  | { readonly type: "leave"; readonly owner: string; readonly fence: number; readonly queue: readonly string[] }
  /** The moment of the release. */
  | { readonly type: "release"; readonly fence: number; readonly releasedAt: number }
  /** A write was refused; `knew` when its signal had aborted by then. */
  | { readonly type: "refused"; readonly owner: string; readonly fence: number; readonly knew: boolean }
  /** All contenders have ended. */
  | { readonly type: "done" };

/** What the resource answers. */
export interface ResourceAnswer {
  readonly owner: string;
  readonly fence: number;
  readonly accepted: boolean;
  /** No further grants are wanted. */
  readonly enough: boolean;
}

/** The environment variable that has the settings. */
export const SETTINGS_VARIABLE = "CONTENDER";
