/**
 * The contract of large values and long logs: a log is bounded in bytes, read in pages that are, and what is large is
 * loaded only for who wants it.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AppendRefusedError } from "../../src/lib/errors.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import type { LogEvent, StoredEvent } from "../../src/execution/event.ts";
import { PAGE_BYTES } from "../../src/execution/log.ts";
import type { Store } from "../../src/storage/store.ts";
import { awaitReply, drivers, ending, requestOf, takeClaim } from "./drivers.ts";
import { endsOnce, rejects } from "./expectations.ts";

const KB = 1024;

function output(node: string, value: JsonValue, outputs?: string[]): LogEvent {
  return { type: "node.completed", time: 1, node, data: { output: value, ...(outputs && { outputs }) } };
}

const failed = (code: string): LogEvent => ({
  type: "execution.failed",
  time: 1,
  data: { error: { code, message: code } },
});

/** Values of every look, without `unit: "binary"`: its table of all characters takes a second to make. */
function makeValues(): fc.Arbitrary<JsonValue> {
  const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>;
  const text = fc.oneof(
    fc.constantFrom("☃", "\ud800", '"', "\u0000", "é", 'outputOf":"a"'),
    fc.array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 3 }).map((points) => String.fromCodePoint(...points)),
  );
  const large = fc.tuple(text, fc.integer({ min: 32 * KB - 12, max: 33 * KB })).map(([unit, length]) =>
    unit.repeat(Math.ceil(length / Math.max(1, unit.length)))
  );
  const forged = fc.constantFrom<JsonValue>({ outputOf: "n0" }, { value: "output", bytes: 9 }, '"responseOf":', null);
  return fc.oneof(json, large, forged);
}

const anyValue = makeValues();

for (const driver of drivers()) {
  const test = suite(`Values on ${driver.name}`);
  const { signal } = new AbortController();
  let store: Store;

  test.before(async () => {
    store = await driver.open("a", { logLimitBytes: 1024 * KB });
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  const started = async (options: Parameters<typeof requestOf>[0] = {}) => {
    const request = requestOf(options);
    await store.log.request(request);
    return await takeClaim(store, request.executionId);
  };

  test("append() and finish() refuse what makes the log larger than its limit; its end alone is taken", async () => {
    const claim = await started({ input: "x".repeat(300 * KB), replyTo: store.replies.instance });
    const reply = awaitReply(store, claim.executionId, { signal });
    await store.work.append(claim, { sequence: 1, events: [output("a", "x".repeat(300 * KB))] });
    const large = [output("b", "x".repeat(300 * KB)), output("c", "x".repeat(300 * KB))];
    const result = { executionId: claim.executionId, status: "failed" as const };
    for (
      const append of [
        () => store.work.append(claim, { sequence: 2, events: large }),
        () => store.work.suspend(claim, { sequence: 2, events: large, delayMs: 1 }),
        () => store.work.finish(claim, { sequence: 2, events: [...large, failed("x")], result }),
      ]
    ) {
      await rejects(append, AppendRefusedError);
    }
    // Nothing of it was written, and the claim stands.
    await store.work.append(claim, { sequence: 2, events: [output("b", 1)] });
    await store.work.finish(claim, { sequence: 3, events: [failed("log_limit")], result });
    assert.equal(await reply, result);
    const events = await endsOnce(store, claim.executionId);
    assert.equal(events.map(({ node }) => node), [undefined, "a", "b", undefined]);
  });

  test("a log that is full is ended from outside all the same", async () => {
    const claim = await started({ input: "x".repeat(1023 * KB) });
    await rejects(
      () => store.work.append(claim, { sequence: 1, events: [output("a", "x".repeat(KB))] }),
      AppendRefusedError,
    );
    assert.is(await store.log.cancel(claim.executionId), true);
    await endsOnce(store, claim.executionId);
  });

  test("read() with values: false leaves large values out, and nothing else", async () => {
    const large = "☃".repeat(40 * KB);
    const claim = await started({ input: { body: large } });
    await store.work.append(claim, { sequence: 1, events: [output("a", large, ["main", "b"]), output("small", 7)] });
    const whole = await store.log.read(claim.executionId);
    const light = await store.log.read(claim.executionId, { values: false });
    const emptied = whole.map((event) => {
      if (event.type === "execution.requested") return { ...event, data: { ...event.data, input: null } };
      return event.node === "a" ? { ...event, data: { output: null, outputs: ["main", "b"] } } : event;
    });
    assert.equal(light, emptied);
    assert.equal((whole[1] as StoredEvent & { data: object }).data, { output: large, outputs: ["main", "b"] });
    await store.work.finish(claim, ending(claim, { sequence: 3 }));
  });

  test("pages() gives what read() gives, in pages that are bounded in bytes", async () => {
    await using roomy = await driver.open("roomy", { logLimitBytes: 2 ** 30 });
    const request = requestOf({ input: "x".repeat(500 * KB) });
    await roomy.log.request(request);
    const claim = await takeClaim(roomy, request.executionId);
    for (let n = 1; n <= 12; n++) {
      const events = [output(`n${n}`, String(n % 10).repeat(n === 6 ? 3 * PAGE_BYTES : 700 * KB))];
      await roomy.work.append(claim, { sequence: n, events });
    }
    const pages: StoredEvent[][] = [];
    for await (const page of roomy.log.pages(request.executionId)) pages.push(page);
    assert.equal(pages.flat(), await roomy.log.read(request.executionId));
    assert.is(pages.flat().length, 13);
    assert.ok(pages.length >= 4, `${pages.length} pages`);
    for (const page of pages) {
      assert.ok(page.length > 0);
      const sizes = page.map(({ data }) => JSON.stringify(data).length).sort((a, b) => a - b);
      const others = sizes.slice(0, -1).reduce((sum, size) => sum + size, 0);
      assert.ok(others <= PAGE_BYTES, `a page of ${sizes}`);
    }
    const some: string[] = [];
    const limited = roomy.log.pages(request.executionId, { after: pages[0]![0]!.id, limit: 5, values: false });
    for await (const page of limited) some.push(...page.map(({ node }) => node!));
    assert.equal(some, ["n1", "n2", "n3", "n4", "n5"]);
    await roomy.work.finish(claim, ending(claim, { sequence: 13 }));
  });

  test("tail() gives large values of what was there and of what comes, or none of them", async () => {
    const claim = await started({ input: "i".repeat(50 * KB) });
    const follow = async (values: boolean) => {
      const lengths: unknown[] = [];
      for await (const { type, data } of store.log.tail(claim.executionId, { signal, values })) {
        if (type === "execution.requested") lengths.push((data as { input: string | null }).input?.length);
        if (type === "node.completed") lengths.push((data as { output: string | null }).output?.length);
      }
      return lengths;
    };
    const followed = [follow(true), follow(false)];
    await store.work.append(claim, { sequence: 1, events: [output("a", "a".repeat(60 * KB))] });
    await store.work.append(claim, { sequence: 2, events: [output("b", "b".repeat(70 * KB))] });
    await store.work.finish(claim, ending(claim, { sequence: 3 }));
    assert.equal(await Promise.all(followed), [[50 * KB, 60 * KB, 70 * KB], [undefined, undefined, undefined]]);
  });

  test("a result that is an output in the log is the same, for its caller and for who asks later", async () => {
    const response = { status: 200, headers: {}, body: "r".repeat(50 * KB) };
    const value = { rows: "o".repeat(60 * KB) };
    const claim = await started({ replyTo: store.replies.instance, replyEarly: true });
    const early = awaitReply(store, claim.executionId, { signal });
    const reply = { executionId: claim.executionId, status: "responded" as const, response };
    await store.work.append(claim, { sequence: 1, events: [output("reply", response)], reply });
    assert.equal(await early, reply);
    const late = awaitReply(store, claim.executionId, { signal });
    const result = { executionId: claim.executionId, status: "completed" as const, response, output: value };
    const events = [output("last", value), ...ending(claim).events];
    await store.work.finish(claim, { sequence: 2, events, result });
    assert.equal(await late, result);
    assert.equal(await store.log.result(claim.executionId), result);
  });

  test("whatever is written is read, large or small, whatever it looks like", async () => {
    await fc.assert(
      fc.asyncProperty(anyValue, fc.array(anyValue, { maxLength: 4 }), async (input, values) => {
        const claim = await started({ input, replyTo: store.replies.instance });
        const reply = awaitReply(store, claim.executionId, { signal });
        const events = values.map((one, n) => output(`n${n}`, one));
        const result = { executionId: claim.executionId, status: "completed" as const, output: values.at(-1) ?? null };
        const same = (seen: unknown, wanted: unknown) => assert.is(JSON.stringify(seen), JSON.stringify(wanted));
        await store.work.finish(claim, { sequence: 1, events: [...events, ...ending(claim).events], result });
        same(await reply, result);
        same(await store.log.result(claim.executionId), result);
        const [first, ...rest] = await store.log.read(claim.executionId);
        same((first!.data as { input: JsonValue }).input, input);
        same(rest.slice(0, -1).map(({ data }) => (data as { output: JsonValue }).output), values);
      }),
      { numRuns: 25 },
    );
  });

  test.run();
}
