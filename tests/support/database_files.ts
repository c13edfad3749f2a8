/**
 * What a database keeps on disk.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The bytes of every file of a database, as text of one byte a character; `undefined` when one of them has gone. */
export function filesBelow(dir: string): string[] | undefined {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
