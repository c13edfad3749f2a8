import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AuditRecord } from "../../src/audit/audit_log.ts";
import { withApp } from "../http/harness.ts";
import { runCommandLine } from "./command_line.ts";

function record(members: Partial<AuditRecord>): AuditRecord {
  return {
    at: Date.UTC(2026, 0, 2, 3, 4, 5),
    token: "ci",
    method: "PUT",
    route: "/api/workflows/:id",
    what: { workflow: "orders", version: 3 },
    status: 200,
    requestId: "r-1",
    ...members,
  };
}

test("millrace audit prints a table of the newest, or JSON, of all tokens or of one", () =>
  withApp({}, async ({ app, store }) => {
    const nothing = await runCommandLine(["audit"], { app });
    assert.equal([nothing.code, nothing.out], [0, "Nothing"]);
    const records = [record({}), record({ token: "ops", method: "DELETE", what: { sessions: ["a", "b\u001b[31m"] } })];
    await store.audit.append({ writer: "w", number: 1, records });
    const { code, out, err } = await runCommandLine(["audit"], { app });
    assert.is(code, 0, err);
    assert.equal(out.split("\n"), [
      "AT                        TOKEN  CALL                       WHAT                       STATUS  REQUEST",
      "2026-01-02T03:04:05.000Z  ops    DELETE /api/workflows/:id  sessions=a,b [31m          200     r-1",
      "2026-01-02T03:04:05.000Z  ci     PUT /api/workflows/:id     workflow=orders version=3  200     r-1",
    ]);
    const one = await runCommandLine(["audit", "--limit", "1"], { app });
    const cursor = /^More: --cursor (\S+)$/m.exec(one.out)?.[1];
    assert.ok(cursor);
    const next = await runCommandLine(["audit", "--json", "--cursor", cursor], { app });
    assert.equal(JSON.parse(next.out).entries.map(({ token }: AuditRecord) => token), ["ci"]);
    const ops = await runCommandLine(["audit", "--json", "--token", "ops"], { app });
    assert.equal(JSON.parse(ops.out).entries.map(({ token }: AuditRecord) => token), ["ops"]);
  }));

test("millrace audit says what it cannot do", () =>
  withApp({}, async ({ app }) => {
    const extra = await runCommandLine(["audit", "x"], { app });
    assert.equal([extra.code, extra.err], [2, 'millrace audit: Unknown argument "x"; see millrace audit --help']);
    const wrong = await runCommandLine(["audit", "--limit", "0"], { app });
    assert.equal([wrong.code, /invalid_parameter/.test(wrong.err)], [1, true]);
  }));

test.run();
