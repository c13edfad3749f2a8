/**
 * The contract of the audit, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import type { AuditRecord } from "../../src/audit/audit_log.ts";
import type { Store } from "../../src/storage/store.ts";
import { drivers, openEach } from "./drivers.ts";
import { refuses } from "./expectations.ts";

function record(members: Partial<AuditRecord> = {}): AuditRecord {
  return {
    at: 1_700_000_000_000,
    token: "ci",
    method: "PUT",
    route: "/api/workflows/:id",
    what: { workflow: "orders", version: 3 },
    status: 200,
    requestId: "r-1",
    ...members,
  };
}

/** All pages, and how many there were. */
async function listAll(store: Store, options: { limit: number; token?: string }) {
  const entries = [];
  let [pages, cursor]: [number, string | undefined] = [0, undefined];
  do {
    const page: Awaited<ReturnType<Store["audit"]["list"]>> = await store.audit.list({
      ...options,
      ...(cursor !== undefined && { cursor }),
    });
    assert.ok(page.entries.length <= options.limit);
    entries.push(...page.entries);
    cursor = page.nextCursor;
    pages++;
  } while (cursor !== undefined);
  return { entries, pages };
}

for (const driver of drivers()) {
  const test = suite(`The audit on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { auditLimit: 300 });

  test("list() gives what was appended, the newest first, as it was", async () => {
    assert.equal(await store.audit.list({ limit: 10 }), { entries: [] });
    const odd = record({ what: { session: "é\u2028 \"'", executions: ["a", "b"] }, status: 422 });
    await store.audit.append({ writer: "w", number: 1, records: [record(), odd] });
    const { entries, nextCursor } = await store.audit.list({ limit: 10 });
    assert.is(nextCursor, undefined);
    assert.equal(entries.map(({ id: _, ...rest }) => rest), [odd, record()]);
    assert.match(entries[0]!.id, /^\d+-\d+$/);
  });

  test("append() of a batch that was written changes nothing, whoever else wrote since", async () => {
    const batch = { writer: "w", number: 1, records: [record()] };
    await store.audit.append(batch);
    await store.audit.append({ ...batch, writer: "other" });
    await store.audit.append(batch);
    await store.audit.append({ ...batch, number: 2 });
    await store.audit.append(batch);
    assert.is((await store.audit.list({ limit: 10 })).entries.length, 3);
  });

  test("pages have each entry once, of all tokens or of one", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("ci", "board", "ops"), { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(undefined, "ci", "nobody"),
        async (tokens, limit, token) => {
          const writer = crypto.randomUUID();
          const records = tokens.map((token, n) => record({ token, requestId: `${writer}-${n}` }));
          await store.audit.append({ writer, number: 1, records });
          const { entries } = await listAll(store, { limit, ...(token !== undefined && { token }) });
          const mine = entries.map(({ requestId }) => requestId).filter((id) => id.startsWith(writer));
          const wanted = records.filter((it) => token === undefined || it.token === token).reverse();
          assert.equal(mine, wanted.map(({ requestId }) => requestId));
        },
      ),
      { numRuns: 10 },
    ));

  test("the oldest go where there are more than may be", async () => {
    for (let number = 1; number <= 8; number++) {
      const records = Array.from({ length: 100 }, (_, n) => record({ requestId: `${number}-${n}` }));
      await store.audit.append({ writer: "w", number, records });
    }
    const { entries } = await listAll(store, { limit: 500 });
    assert.ok(entries.length >= 300 && entries.length <= 400, String(entries.length));
    assert.is(entries[0]!.requestId, "8-99");
  });

  test("list() refuses a cursor that is none", async () => {
    for (const cursor of ["", "x", "1-2-3", "-"]) {
      await refuses(() => store.audit.list({ limit: 1, cursor }), "invalid_parameter");
    }
  });

  if (driver.isShared) {
    test("writers of several instances write to one audit", async () => {
      await using other = await driver.open("b");
      await store.audit.append({ writer: "a", number: 1, records: [record({ token: "a" })] });
      await other.audit.append({ writer: "b", number: 1, records: [record({ token: "b" })] });
      const { entries } = await other.audit.list({ limit: 10 });
      assert.equal(entries.map(({ token }) => token), ["b", "a"]);
    });
  }

  test.run();
}
