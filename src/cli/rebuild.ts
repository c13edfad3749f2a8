/**
 * `millrace rebuild`: makes lists, counters and progress documents anew from the logs, and shows how far it is.
 */
import { ApiCallError } from "./api_client.ts";
import { command, exactArguments } from "./command.ts";
import { linesOf } from "./event_lines.ts";

/** How wide the bar is, in characters. */
const WIDTH = 40;

/** What the server says, line by line. */
interface Line {
  readonly done: number;
  readonly total: number;
  readonly success?: true;
}

export const rebuild = command({
  name: "rebuild",
  summary: "Makes lists, counters and progress documents anew from the logs",
  help: `Usage: millrace rebuild

Drops lists, counters and progress documents, and makes them anew from the logs. It may be done while instances run, and
as often as one likes.
`,
  async run({ positionals, json }, { api, context }) {
    exactArguments(positionals, []);
    const response = await api.open("POST", "/api/workflow-state/rebuild");
    let last: Line | undefined;
    try {
      for await (const line of linesOf(response.body)) {
        last = JSON.parse(line) as Line;
        if (!json) context.terminal?.write(`\r${bar(last)}`);
      }
    } catch (error) {
      const reason = (error as Error).message;
      throw new ApiCallError(`The rebuild broke off: ${reason}; it can be begun again`, { cause: error });
    } finally {
      if (!json) context.terminal?.write("\n");
    }
    if (last?.success !== true) throw new ApiCallError("The rebuild broke off: it can be begun again");
    context.print(json ? JSON.stringify(last) : `Rebuilt from ${last.done} executions`);
    return 0;
  },
});

function bar({ done, total }: Line): string {
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(part * WIDTH);
  return `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${String(Math.floor(part * 100)).padStart(3)} %  ${done}`;
}
