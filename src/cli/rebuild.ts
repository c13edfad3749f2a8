/**
 * `millrace rebuild`: makes lists, counters and progress documents anew from the logs, and shows how far it is.
 */
import { ApiCallError } from "./api_client.ts";
import { command, exactArguments } from "./command.ts";

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
    for await (const line of lines(response)) {
      last = JSON.parse(line) as Line;
      if (!json && context.terminal !== undefined) context.terminal.write(`\r${bar(last)}`);
    }
    if (!json && context.terminal !== undefined) context.terminal.write("\n");
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

async function* lines(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of response.body ?? []) {
    const parts = (text += decoder.decode(bytes as Uint8Array, { stream: true })).split("\n");
    text = parts.pop()!;
    yield* parts.filter((line) => line !== "");
  }
}
