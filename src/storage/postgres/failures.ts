/**
 * What an error says of the database, by the class of its SQLSTATE (PostgreSQL, appendix A).
 */
import pg from "pg";
import { scrub } from "../../lib/credentials.ts";
import { reasonOf } from "../../lib/reason.ts";

/** True for what PostgreSQL says of data, or of a program's limit, by class of SQLSTATE: sent again it fails again. */
export function isOfData(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(21|22|23|54)/.test(error.code ?? "");
}

/** True for a statement that is wrong; a table that is gone is made again instead. */
export function isWrongHere(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^42(?!P01)/.test(error.code ?? "");
}

/** All connections were in use for as long as one may wait for one. */
export class BusyError extends Error {
  override readonly name = "BusyError";
}

/** True for what ends one statement and says nothing of the server: its time was over, or others were in the way. */
export function isPassing(error: unknown): boolean {
  if (error instanceof BusyError) return true;
  return error instanceof pg.DatabaseError && /^(40|55|57014)/.test(error.code ?? "");
}

/** The reason as one line of text, without secrets. */
export function why(error: unknown): string {
  return scrub(reasonOf(error));
}
