/**
 * `millrace audit`: who changed what through the API.
 */
import type { AuditEntry } from "../audit/audit_log.ts";
import { command, exactArguments, toJson } from "./command.ts";
import { formatTable } from "./table.ts";

/** `millrace audit`; exit code 1 when the server did not answer it. */
export const audit = command({
  name: "audit",
  summary: "Who changed what through the API, the newest first",
  help: `Usage: millrace audit [--token <name>] [--limit <n>] [--cursor <cursor>]

Needs a token with the scope admin.

Options:
  --token <name>      What the token of this name did only; anonymous and unnamed are those without a name
  --limit <n>         How many, 1 to 500; by default 20
  --cursor <cursor>   Goes on after a page, by its nextCursor`,
  options: { token: { type: "string" }, limit: { type: "string", default: "20" }, cursor: { type: "string" } },
  trouble: 1,
  async run({ values: { token, limit, cursor }, positionals, json }, { api, context: { print } }) {
    exactArguments(positionals, []);
    const query = new URLSearchParams({
      limit,
      ...(token !== undefined && { token }),
      ...(cursor !== undefined && { cursor }),
    });
    const answer = await api.call("GET", `/api/audit?${query}`);
    const entries = answer.entries as AuditEntry[];
    if (json) print(toJson(answer));
    else if (entries.length === 0) print("Nothing");
    else print(toTable(entries));
    if (!json && answer.nextCursor !== undefined) print(`More: --cursor ${answer.nextCursor}`);
    return 0;
  },
});

function toTable(entries: readonly AuditEntry[]): string {
  const rows = entries.map(({ at, token, method, route, what, status, requestId }) => [
    new Date(at).toISOString(),
    token,
    `${method} ${route}`,
    Object.entries(what).map(([kind, id]) => `${kind}=${id}`).join(" "),
    String(status),
    requestId,
  ]);
  return formatTable([["AT", "TOKEN", "CALL", "WHAT", "STATUS", "REQUEST"], ...rows]);
}
