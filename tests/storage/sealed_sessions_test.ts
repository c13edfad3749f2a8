/**
 * Sessions with sealed parts, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../src/lib/errors.ts";
import type { JsonObject } from "../../src/lib/json.ts";
import { SealedParts } from "../../src/sessions/sealed_parts.ts";
import type { SessionStore } from "../../src/sessions/session_store.ts";
import { Sessions } from "../../src/sessions/sessions.ts";
import type { Store } from "../../src/storage/store.ts";
import { noRoom } from "../../src/storage/store_rules.ts";
import { drivers, openEach } from "./drivers.ts";
import { refuses, rejects } from "./expectations.ts";

const MERGE = { data: { name: "Ada" } };
const keys = [{ id: "k1", bytes: new Uint8Array(32).fill(1) }];

for (const driver of drivers()) {
  const test = suite(`Sealed sessions on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened);

  test("sealed parts are nowhere in what is kept, and keys rotate by reading", async () => {
    const next = { id: "k2", bytes: new Uint8Array(32).fill(2) };
    const of = (keyList: typeof keys, pointers: string[]) =>
      new Sessions({ store: store.sessions, parts: new SealedParts({ keys: keyList, pointers }) });
    const data = { card: { number: "4242-secret" }, name: "Ada", list: ["x", "0-secret"] };
    const pointers = ["/card", "/list/1"];
    const kept = async () => JSON.stringify((await store.sessions.read("alice"))!.data);
    const { session } = await of(keys, pointers).put("alice", { data });
    assert.equal(session.data, data);
    assert.not.match(await kept(), /secret/);
    assert.match(await kept(), /Ada/);
    await of(keys, pointers).merge("alice", { data: { name: "Ida Rosalind Frank" } });
    const merged = await of(keys, pointers).merge("alice", { data: { card: { cvc: "7-secret" } } });
    assert.equal(merged.data, {
      ...data,
      name: "Ida Rosalind Frank",
      card: { number: "4242-secret", cvc: "7-secret" },
    });
    assert.not.match(await kept(), /secret/);
    await refuses(() => of([next], pointers).get("alice"), "session_unreadable");
    const read = (await of([next, ...keys], pointers).get("alice"))!;
    assert.equal([read.data, read.version], [merged.data, merged.version]);
    assert.equal((await of([next], pointers).get("alice"))!.data, merged.data);
    // Other parts: what is sealed no longer is stored plain, and what is sealed now is not.
    const moved = (await of([next], ["/name"]).get("alice"))!;
    assert.equal([moved.data, moved.version], [merged.data, merged.version]);
    assert.match(await kept(), /4242-secret/);
    assert.not.match(await kept(), /Ida Rosalind Frank/);
    // Nobody has read it since the parts were named anew: what is merged into may be sealed.
    await of([next], ["/card"]).put("bob", { data: { card: { number: "4242-secret" } } });
    const bob = await of([next], ["/name"]).merge("bob", { data: { card: { cvc: "7" } } });
    assert.equal(bob.data, { card: { number: "4242-secret", cvc: "7" } });
    const both = await of([next], ["/card", "/name"]).merge("alice", { data: { other: 1 } });
    assert.equal(both.data, { ...(merged.data as JsonObject), other: 1 });
    assert.not.match(await kept(), /4242-secret|Ida Rosalind Frank/);
  });

  test("a session is read, and merged into by the store, though there is no room to seal it anew", async () => {
    const next = { id: "k2", bytes: new Uint8Array(32).fill(2) };
    const of = (keyList: typeof keys, at: SessionStore = store.sessions) =>
      new Sessions({ store: at, parts: new SealedParts({ keys: keyList, pointers: ["/card"] }) });
    for (const refusal of [noRoom(), new UnavailableError("Redis went away")]) {
      await of(keys).put("alice", { data: { card: "4242-secret" } });
      const full = of([next, ...keys], refusing(store.sessions, refusal));
      assert.equal((await full.get("alice"))!.data, { card: "4242-secret" });
      if (store.sessions.merge === undefined) await refuses(() => full.merge("alice", MERGE), refusal.code);
      else assert.equal((await full.merge("alice", MERGE)).data, { card: "4242-secret", name: "Ada" });
      await refuses(() => full.put("alice", { data: 1 }), refusal.code);
      await refuses(() => of([next]).get("alice"), "session_unreadable");
    }
    const broken = of([next, ...keys], refusing(store.sessions, new TypeError("broken")));
    await rejects(() => broken.get("alice"), TypeError);
    await of([next, ...keys]).get("alice");
    assert.ok(await of([next]).get("alice"));
  });

  test.run();
}

/** The same sessions, of which none can be written. */
function refusing(sessions: SessionStore, refusal: Error): SessionStore {
  return {
    read: (id) => sessions.read(id),
    write: () => Promise.reject(refusal),
    delete: (id, condition) => sessions.delete(id, condition),
    list: (options) => sessions.list(options),
    ...(sessions.merge !== undefined && { merge: sessions.merge }),
  };
}
