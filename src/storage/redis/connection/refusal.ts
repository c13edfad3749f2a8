/**
 * What Redis means when it refuses a command that is right in itself.
 */
import { ErrorReply } from "redis";
import { UnavailableError } from "../../../lib/errors.ts";

/** The server behind this link is the wrong one to ask: a replica, or one that has lost its master. */
const WRONG_SERVER = /^(READONLY|MASTERDOWN|UNBLOCKED force)/;
/** The server is the right one, and cannot do it now. */
const NOT_NOW = /^(LOADING|MISCONF|OOM|NOREPLICAS|TRYAGAIN|CLUSTERDOWN|BUSY) /;
/** It answers nothing at all yet. */
const NOT_YET = /^(LOADING|BUSY) /;

/**
 * `relink`: drop the link and make a new one, which may lead to another server. `wait`: the same link will do, later.
 * `undefined`: no such refusal, but the command's own error or a broken link.
 */
export function refusalOf(error: unknown): "relink" | "wait" | undefined {
  if (!(error instanceof ErrorReply)) return undefined;
  if (WRONG_SERVER.test(error.message)) return "relink";
  return NOT_NOW.test(error.message) ? "wait" : undefined;
}

/**
 * What callers are told of a command that failed. Of a refusal: nothing was done, and where in a script it happened is
 * left out. For a broken link, which `lastError` describes, the outcome is unknown.
 */
export function errorOf(error: unknown, lastError: unknown): unknown {
  if (refusalOf(error) !== undefined) {
    const message = (error as Error).message.replace(/ script: [0-9a-f]{40}.*$/s, "");
    return new UnavailableError(`Redis refuses: ${message}`, { cause: error, mayHaveHappened: false });
  }
  if (error instanceof ErrorReply || error instanceof TypeError) return error;
  return new UnavailableError("Redis went away", { cause: lastError ?? error });
}

/** True for what comes of the refusal of a server that has used up its `maxmemory`: nothing was written. */
export function isFull(error: unknown): boolean {
  const reply = error instanceof UnavailableError ? error.cause : error;
  return reply instanceof ErrorReply && reply.message.startsWith("OOM ");
}

/** True while the server loads its data, or is held up by a script. */
export function isStarting(error: unknown): boolean {
  return error instanceof ErrorReply && NOT_YET.test(error.message);
}
