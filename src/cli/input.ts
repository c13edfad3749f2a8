/**
 * JSON and files that come with a command.
 */
import { readFile } from "node:fs/promises";
import { stdin } from "node:process";
import { checkJson } from "../lib/json.ts";
import { UsageError } from "./api_client.ts";

/** The bytes of a file, or of standard input for `-`. Throws {@linkcode UsageError}. */
export async function readSource(path: string): Promise<Uint8Array> {
  try {
    if (path !== "-") return await readFile(path);
    const chunks: Uint8Array[] = [];
    for await (const chunk of stdin) chunks.push(chunk as Uint8Array);
    return Buffer.concat(chunks);
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${(error as Error).message}`);
  }
}

/** The JSON of an option: itself, `@` and a file, or `-`. Throws {@linkcode UsageError}. */
export async function jsonOption(name: string, text: string): Promise<unknown> {
  const isFile = text.startsWith("@") || text === "-";
  const json = isFile ? new TextDecoder().decode(await readSource(text === "-" ? "-" : text.slice(1))) : text;
  const expected = `Expected JSON${isFile ? "" : ", or @ and a file,"} as ${name}`;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${expected}: ${(error as Error).message}`);
  }
  // It would be sent as null.
  if (checkJson(value) === "not_json") throw new UsageError(`${expected}: it has a number larger than a double can be`);
  return value;
}
