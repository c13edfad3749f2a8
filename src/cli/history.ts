/**
 * `millrace history`: takes the history out of the database as a file, and deletes what is old.
 */
import { createWriteStream } from "node:fs";
import { stdout } from "node:process";
import { Writable } from "node:stream";
import { ApiCallError, UsageError } from "./api_client.ts";
import { command, onlyArgument, toJson } from "./command.ts";

const HELP = `Usage: millrace history export --before <time> [options]
       millrace history purge --before <time> [options]

  export    Writes executions as lines of JSON, newest first: of each its workflow, its events and an end
  purge     Deletes executions from the database

Options:
  --before <time>    Those requested before it: 2026-11-01, an ISO 8601 time, or epoch milliseconds
  --from <time>      Those requested then or later
  --workflow <id>    Those of one workflow
  --output <file>    Where export writes; by default standard output
  --gzip             Compress (RFC 1952); by default where the file's name ends in .gz`;

const ACTIONS = ["export", "purge"] as const;

/** `millrace history`; exit code 1 when the server did not do it. */
export const history = command({
  name: "history",
  summary: "The database of the history: export, purge",
  help: HELP,
  trouble: 1,
  options: {
    before: { type: "string" },
    from: { type: "string" },
    workflow: { type: "string" },
    output: { type: "string" },
    gzip: { type: "boolean" },
  },
  async run({ values, positionals, json }, { api, context: { print, printError } }) {
    const word = onlyArgument(positionals, `one of ${ACTIONS.join(", ")}`);
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined) throw new UsageError(`Unknown command "${word}"`);
    const { before, from, workflow, output } = values;
    if (!before) throw new UsageError("Expected --before and a time");
    const query = new URLSearchParams({ before, ...(from && { from }), ...(workflow && { workflow }) });
    if (action === "purge") {
      let purged = 0;
      for (let done = false; !done;) {
        const answer = await api.call("DELETE", `/api/history?${query}`);
        purged += answer.purged;
        done = answer.done;
      }
      print(json ? toJson({ purged }) : `Purged ${purged} executions`);
      return 0;
    }
    const response = await api.open("GET", `/api/history/export?${query}`, { headers: { accept: "*/*" } });
    const end = new LastLine();
    const text = response.body!.pipeThrough(end);
    const bytes = values.gzip ?? output?.endsWith(".gz") ? text.pipeThrough(new CompressionStream("gzip")) : text;
    const to: Writable = output === undefined ? stdout : createWriteStream(output, { flags: "wx" });
    try {
      await bytes.pipeTo(Writable.toWeb(to), { preventClose: output === undefined });
    } catch (error) {
      throw new ApiCallError(`The export was broken off: ${(error as Error).message}`, { cause: error });
    }
    const { kind, executions } = JSON.parse(end.line || "{}");
    if (kind !== "millrace.history.end") throw new ApiCallError("The export was broken off: its end is missing");
    // Standard output may be the export itself.
    printError(`Exported ${executions} executions`);
    return 0;
  },
});

/** Lets bytes pass, and knows their last line. */
class LastLine extends TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  line = "";

  constructor() {
    const decoder = new TextDecoder();
    let rest = "";
    super({
      transform: (chunk, controller) => {
        controller.enqueue(chunk);
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop()!;
        this.line = lines.at(-1) ?? this.line;
      },
    });
  }
}
