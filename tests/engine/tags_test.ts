/**
 * `settings.tags`, through the whole app: evaluated at the start, searched for, and never in the way.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { InvalidWorkflowError } from "../../src/lib/errors.ts";
import { json, post } from "../http/harness.ts";
import { chain, openWholeApp } from "../http/whole_app.ts";
import { eventually } from "../support/eventually.ts";

function tagged(tags: object): object {
  const node = { id: "sum", type: "transform", parameters: { output: { total: "{{ body.n }}" } } };
  return { ...chain("tagged", [node]), settings: { tags } };
}

test("tags are evaluated over the trigger's output when the execution starts", async () => {
  await using whole = await openWholeApp();
  await whole.catalog.put(
    "tagged",
    tagged({
      customer: "{{ body.customer }}",
      region: "eu-{{ $trigger.body.n }}",
      list: "{{ body.list }}",
      absent: "{{ body.absent }}",
      failing: "{{ $error('no') }}",
      long: "{{ $pad('x', 500, 'y') }}",
    }),
  );
  const called = await whole.app.request("/webhook/tagged", post({ n: 7, customer: "Acme\0", list: [1] }));
  assert.is(called.status, 200);
  const state = await json(await whole.app.request(`/api/executions/${called.headers.get("execution-id")}`));
  const { long, ...tags } = state.tags;
  assert.equal(tags, { customer: "Acme\0", region: "eu-7", list: "[1]" });
  assert.is(long.length, 200);
});

test("GET /api/executions finds executions by their tags, within times, page by page", async () => {
  await using whole = await openWholeApp();
  await whole.catalog.put("tagged", tagged({ customer: "{{ body.customer }}" }));
  const ids: string[] = [];
  for (let i = 0; i < 70; i++) {
    const response = await whole.app.request(
      "/webhook/tagged",
      post({ n: i, customer: i % 35 === 0 ? "ACME" : "other" }),
    );
    ids.push(response.headers.get("execution-id")!);
  }
  const list = async (query: string) => {
    const found: string[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined;) {
      const page: { executions: { executionId: string }[]; nextCursor?: string } = await json(
        await whole.app.request(`/api/executions?${query}${cursor && `&cursor=${cursor}`}`),
      );
      found.push(...page.executions.map(({ executionId }) => executionId));
      cursor = page.nextCursor;
    }
    return found;
  };
  const signal = new AbortController().signal;
  await eventually(async () => {
    await whole.store.projections.applyFeed(await whole.store.projections.takeFeed({ count: 500, blockMs: 1, signal }));
    return (await list("limit=500")).length === ids.length;
  }, "all are listed");
  assert.equal(await list("q=acme&limit=1"), [ids[35], ids[0]]);
  assert.equal(await list("q=nobody"), []);
  const meta = (await whole.store.log.meta(ids[10]!))!;
  const from = await list(`from=${meta.requestedAt}&limit=500`);
  assert.ok(from.includes(ids[10]!) && from.includes(ids[69]!));
  assert.equal(await list(`to=${new Date(meta.requestedAt - 60_000).toISOString()}`), []);
  const wrong = await whole.app.request("/api/executions?from=yesterday");
  assert.equal([wrong.status, (await json(wrong)).parameter], [400, "from"]);
  assert.is((await whole.app.request(`/api/executions?q=${"x".repeat(201)}`)).status, 400);
});

test("PUT refuses tags that cannot be", async () => {
  await using whole = await openWholeApp();
  for (
    const [tags, pointer] of [
      [{ customer: "{{ body." }, "/settings/tags/customer"],
      [{ "not a name": "x" }, "/settings/tags/not a name"],
      [Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, "x"])), "/settings/tags"],
      [{ customer: 1 }, "/settings/tags/customer"],
    ] as const
  ) {
    try {
      await whole.catalog.put("tagged", tagged(tags));
      assert.unreachable();
    } catch (error) {
      assert.instance(error, InvalidWorkflowError);
      assert.ok(
        (error as InvalidWorkflowError).faults.some((fault) => fault.pointer === pointer),
        JSON.stringify(tags),
      );
    }
  }
});

test.run();
