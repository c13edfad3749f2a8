/**
 * `millrace export` and `import`: executions as files.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { stdout } from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeStream } from "node:stream/web";
import { ApiCallError } from "./api_client.ts";
import { command, onlyArgument, toJson } from "./command.ts";
import { readSource } from "./input.ts";

/** `millrace export`. */
export const exportCommand = command({
  name: "export",
  summary: "Writes an execution to a file, with all that it takes to run it again",
  help: `Usage: millrace export <execution id> [--output <file>]

The file has all that the log has: inputs, outputs and headers, credentials too.

Options:
  --output <file>   By default execution-<id>.jsonl; - is standard output`,
  options: { output: { type: "string" } },
  async run({ values, positionals, json }, { api, context: { print } }) {
    const id = onlyArgument(positionals, "an execution id");
    const response = await api.open("GET", `/api/executions/${encodeURIComponent(id)}/export`);
    const file = values.output ?? `execution-${id}.jsonl`;
    try {
      const body = Readable.fromWeb(response.body as NodeStream);
      if (file === "-") {
        for await (const chunk of body) if (!stdout.write(chunk)) await once(stdout, "drain");
        return 0;
      }
      await pipeline(body, createWriteStream(file));
    } catch (error) {
      throw new ApiCallError(`Cannot write ${file}: ${(error as Error).message}`);
    }
    print(json ? toJson({ executionId: id, file }) : file);
    return 0;
  },
});

/** `millrace import`. */
export const importCommand = command({
  name: "import",
  summary: "Takes an execution from a file, to look at and to replay",
  help: `Usage: millrace import <file>

Takes what millrace export wrote, on any installation; - is standard input.`,
  async run({ positionals, json }, { api, context: { print } }) {
    const bytes = await readSource(onlyArgument(positionals, "a file"));
    const answer = await api.call("POST", "/api/executions/import", {
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: { "content-type": "application/x-ndjson" },
      timeoutMs: 300_000,
    });
    print(json ? toJson(answer) : answer.executionId);
    return 0;
  },
});
