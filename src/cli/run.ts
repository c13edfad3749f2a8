/**
 * `millrace run`, `tail` and `replay`: start an execution, or not, and follow it.
 */
import type { ApiClient, CommandContext } from "./api_client.ts";
import { command, onlyArgument, toJson } from "./command.ts";
import { followExecution } from "./follow.ts";
import { jsonOption } from "./input.ts";
import { createProgressView } from "./progress.ts";

const EXITS = `The exit code says how it ended: 0 completed, 1 failed, 3 cancelled; 2 for anything else.`;

/** How an execution ended, as an exit code. */
const CODES: Readonly<Record<string, number>> = { completed: 0, failed: 1, cancelled: 3 };

/** `millrace run`. */
export const run = command({
  name: "run",
  summary: "Starts a workflow and follows it",
  help: `Usage: millrace run <workflow> [--input <json> | --input @<file> | --input -] [--detach]

Starts the workflow's manual trigger, follows the execution to its end, and prints what it came to.
${EXITS}

Options:
  --input <json>   The trigger's output; by default null
  --detach         Print the execution's id, and do not follow it`,
  options: { input: { type: "string" }, detach: { type: "boolean", default: false } },
  async run({ values, positionals, json }, { api, context }) {
    const workflow = onlyArgument(positionals, "the id of a workflow");
    const input = values.input === undefined ? null : await jsonOption("--input", values.input);
    const { executionId } = await api.call("POST", `/api/workflows/${encodeURIComponent(workflow)}/run`, {
      json: { input },
    });
    return await started(executionId, { api, context, json, detach: values.detach });
  },
});

/** `millrace tail`. */
export const tail = command({
  name: "tail",
  summary: "Follows an execution to its end",
  help: `Usage: millrace tail <execution id>

Shows the nodes as they run; a connection that drops is made anew. ${EXITS}`,
  async run({ positionals, json }, { api, context }) {
    return await follow(onlyArgument(positionals, "an execution id"), { api, context, json });
  },
});

/** `millrace replay`. */
export const replay = command({
  name: "replay",
  summary: "Runs an execution again from any point, as a fork",
  help: `Usage: millrace replay <execution id> [--from <node or entry id>] [--input <json>] [--live] [--current]

Starts a fork and follows it. Calls are answered from the record, unless --live makes them. ${EXITS}

Options:
  --from <id>      The node, or the log's entry, where it begins to run by itself; by default the trigger
  --input <json>   What it is given there; @<file> and - are read
  --live           Make the calls
  --current        Run the newest version of the workflow, not the recorded one
  --detach         Print the fork's id, and do not follow it`,
  options: {
    from: { type: "string" },
    input: { type: "string" },
    live: { type: "boolean", default: false },
    current: { type: "boolean", default: false },
    detach: { type: "boolean", default: false },
  },
  async run({ values, positionals, json }, { api, context }) {
    const id = onlyArgument(positionals, "an execution id");
    const { executionId } = await api.call("POST", `/api/executions/${encodeURIComponent(id)}/replay`, {
      json: {
        ...(values.from !== undefined && { from: values.from }),
        ...(values.input !== undefined && { input: await jsonOption("--input", values.input) }),
        mode: values.live ? "live" : "stub",
        workflow: values.current ? "current" : "recorded",
      },
    });
    return await started(executionId, { api, context, json, detach: values.detach });
  },
});

interface Following {
  readonly api: ApiClient;
  readonly context: CommandContext;
  readonly json: boolean;
}

async function started(executionId: string, options: Following & { detach: boolean | undefined }): Promise<number> {
  const { context: { print }, json } = options;
  if (options.detach) {
    print(json ? toJson({ executionId }) : executionId);
    return 0;
  }
  if (!json) print(executionId);
  return await follow(executionId, options);
}

async function follow(id: string, { api, context, json }: Following): Promise<number> {
  const view = createProgressView(context, { json });
  for await (const event of followExecution(api, id)) view.take(event);
  const { status, error, nodes, lastNode } = view.state;
  if (json) return CODES[status] ?? 2;
  if (error !== undefined) context.printError(`${error.code}: ${error.message}`);
  else if (status === "completed") context.print(toJson(nodes.get(lastNode)?.output ?? null));
  return CODES[status] ?? 2;
}
