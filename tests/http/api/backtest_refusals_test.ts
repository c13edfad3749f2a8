/**
 * Backtests that are refused: too many at once, and bad bodies.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { json, post } from "../harness.ts";
import { openWholeApp } from "../whole_app.ts";
import { BEFORE, definition, withRecorded } from "./recorded_orders.ts";

test("a third backtest at once is refused, and places come free when clients go", () =>
  withRecorded({ count: 12 }, async ({ whole, ids }) => {
    const ask = () =>
      whole.app.request(
        "/api/workflows/orders/backtest",
        post({ executions: ids }, { accept: "application/x-ndjson" }),
      );
    const open = [await ask(), await ask()];
    const refused = await ask();
    assert.is(refused.status, 429);
    assert.is((await json(refused)).code, "too_many_backtests");
    for (const { body } of open) await body!.cancel();
    const after = [await ask(), await ask()];
    assert.equal(after.map(({ status }) => status), [200, 200]);
    await Promise.all(after.map((response) => response.text()));
    const text = await (await ask()).text();
    assert.match(text, /"summary"/);
  }));

test("a backtest refuses a bad body, and names every fault of a draft by its place in it", async () => {
  await using whole = await openWholeApp();
  await whole.catalog.put("orders", definition(BEFORE));
  const ask = async (body: unknown) => {
    const response = await whole.app.request("/api/workflows/orders/backtest", post(body as never));
    return { status: response.status, body: await json(response) };
  };
  const bad: [unknown, string | undefined][] = [
    [[], undefined],
    [{ definition: {}, version: 1 }, "version"],
    [{ version: 0 }, "version"],
    [{ version: "1" }, "version"],
    [{ version: 2 ** 31 }, "version"],
    [{ last: 0 }, "last"],
    [{ last: 1001 }, "last"],
    [{ last: 1, executions: [uuidv7()] }, "last"],
    [{ executions: [] }, "executions"],
    [{ executions: ["x"] }, "executions"],
    [{ executions: Array.from({ length: 1001 }, () => uuidv7()) }, "executions"],
    [{ lasts: 1 }, "lasts"],
  ];
  for (const [sent, parameter] of bad) {
    const { status, body } = await ask(sent);
    assert.is(status, 400, JSON.stringify(sent).slice(0, 80));
    assert.is(body.parameter, parameter);
  }
  const { status, body } = await ask({ definition: { nodes: [{ id: "a", type: "nope" }] } });
  assert.is(status, 422);
  assert.ok(body.errors.some(({ pointer }: { pointer: string }) => pointer === "/definition/nodes/0/type"));
  const odd = await ask({ definition: { ...definition(BEFORE), name: "\ud800" } });
  assert.equal(odd.body.errors.map(({ pointer }: { pointer: string }) => pointer), ["/definition/name"]);
  assert.is((await ask({ version: 99 })).status, 404);
  assert.is((await whole.app.request("/api/workflows/none/backtest", { method: "POST" })).status, 404);
  const none = await ask({});
  assert.is(none.body.summary.executions, 0);
});

test.run();
