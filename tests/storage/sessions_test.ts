/**
 * The contract of sessions, over every driver.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/lib/json.ts";
import { applyJsonPatch, parseJsonPatch } from "../../src/sessions/json_patch.ts";
import { mergePatch } from "../../src/sessions/merge_patch.ts";
import { SealedParts } from "../../src/sessions/sealed_parts.ts";
import { Sessions } from "../../src/sessions/sessions.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, openEach } from "./drivers.ts";
import { refuses } from "./expectations.ts";
import { patchAll } from "./session_patches.ts";
import { changes, same } from "./session_values.ts";

const keys = [{ id: "k1", bytes: new Uint8Array(32).fill(1) }];

for (const driver of drivers()) {
  const test = suite(`Sessions on ${driver.name}`);
  let store: Store;
  let sessions: Sessions;

  openEach(test, driver, (opened) => store = opened);
  test.before.each(() => {
    sessions = new Sessions({ store: store.sessions, limitBytes: 2000 });
  });

  test("put(), merge() and patch() do to any document what the RFCs say, sealed or not", async () => {
    const sealed = new Sessions({
      store: store.sessions,
      parts: new SealedParts({ keys, pointers: ["/a", "/b/c", "/d~1e/0"] }),
    });
    const plain = new Sessions({ store: store.sessions });
    let number = 0;
    await fc.assert(
      fc.asyncProperty(changes, fc.boolean(), async (changes, isSealed) => {
        const id = `s${number++}`;
        const tried = isSealed ? sealed : plain;
        await tried.put(id, { data: {} });
        let model: JsonValue = {};
        for (const change of changes) {
          let session;
          if ("put" in change) {
            session = (await tried.put(id, { data: change.put })).session;
            model = structuredClone(change.put);
          } else if ("merge" in change) {
            session = await tried.merge(id, { data: change.merge });
            model = mergePatch({ data: model }, structuredClone({ data: change.merge })) as JsonObject;
            model = Object.hasOwn(model, "data") ? model["data"]! : {};
          } else {
            const path = `/data/${change.at.replaceAll("~", "~0").replaceAll("/", "~1")}`;
            const patch = [{ op: "add", path, value: change.set }];
            const error = await tried.patch(id, patch).then((it) => void (session = it), (error) => error);
            if (error !== undefined) {
              assert.is(error.code, "patch_conflict");
              continue;
            }
            model = (applyJsonPatch({ data: structuredClone(model) }, parseJsonPatch(patch), {
              limitBytes: 10_000,
            }) as JsonObject)["data"]!;
          }
          same(session!.data, model, "as answered");
          const found = (await tried.get(id))!;
          same(found.data, model, "as read");
          assert.is(JSON.stringify(found.data), JSON.stringify(session!.data), "one tag, one text");
          assert.is(found.version, session!.version);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("versions grow at every change, past a deletion too, and times are kept", async () => {
    const first = await sessions.put("alice", { data: { n: 1 }, ttlSeconds: 100 });
    assert.ok(first.created);
    const second = await sessions.merge("alice", { data: { m: 2 } });
    const third = await sessions.patch("alice", [{ op: "remove", path: "/data/n" }]);
    const fourth = await sessions.put("alice", {});
    assert.not(fourth.created);
    await sessions.delete("alice");
    const fifth = await sessions.put("alice", { data: 7 });
    assert.ok(fifth.created);
    const versions = [first.session, second, third, fourth.session, fifth.session].map(({ version }) => version);
    assert.equal([...new Set(versions)].sort((a, b) => a - b), versions);
    assert.equal([second, third].map(({ ttlSeconds }) => ttlSeconds), [100, 100]);
    assert.is(fourth.session.ttlSeconds, 86_400);
    assert.is(fourth.session.createdAt, first.session.createdAt);
    assert.ok(third.updatedAt >= first.session.updatedAt);
    assert.equal(third.data, { m: 2 });
  });

  test("conditions hold, and nothing changes where one does not", async () => {
    const { session } = await sessions.put("alice", { data: 1 }, { ifNoneMatch: "*" });
    const { version } = session;
    await refuses(() => sessions.put("alice", { data: 2 }, { ifNoneMatch: "*" }), "version_mismatch");
    await refuses(() => sessions.put("alice", { data: 2 }, { ifMatch: version - 1 }), "version_mismatch");
    await refuses(() => sessions.put("nobody", {}, { ifMatch: "*" }), "version_mismatch");
    await refuses(() => sessions.put("nobody", {}, { ifMatch: "*", ifNoneMatch: "*" }), "version_mismatch");
    await refuses(() => sessions.merge("alice", { data: { a: 2 } }, { ifMatch: version + 1 }), "version_mismatch");
    await refuses(() => sessions.merge("alice", { data: 2 }, { ifMatch: version + 1 }), "version_mismatch");
    await refuses(() => sessions.patch("alice", [], { ifMatch: version + 1 }), "version_mismatch");
    await refuses(() => sessions.delete("alice", { ifMatch: version + 1 }), "version_mismatch");
    await refuses(() => sessions.delete("nobody", { ifMatch: "*" }), "version_mismatch");
    await refuses(() => sessions.merge("nobody", { data: {} }, { ifMatch: "*" }), "version_mismatch");
    await refuses(() => sessions.merge("nobody", { data: {} }), "session_not_found");
    await refuses(() => sessions.patch("nobody", []), "session_not_found");
    assert.equal((await sessions.get("alice"))!.version, version);
    assert.is(await sessions.get("nobody"), undefined);
    const merged = await sessions.merge("alice", { data: { a: 2 } }, { ifMatch: version });
    await sessions.put("alice", { data: 3 }, { ifMatch: merged.version });
    assert.is(await sessions.delete("alice", { ifMatch: "*" }), true);
    assert.is(await sessions.delete("alice"), false);
  });

  test("what is no session is refused, with every fault by its pointer, and changes nothing", async () => {
    await sessions.put("alice", { data: { a: 1 } });
    const deep = Array.from({ length: 100 }).reduce<JsonValue>((inner) => [inner], []);
    const wrong: [JsonValue, string[]][] = [
      [[], [""]],
      [{ ttlSeconds: 0, name: 1 }, ["/name", "/ttlSeconds"]],
      [{ ttlSeconds: "60" }, ["/ttlSeconds"]],
      [{ ttlSeconds: 1.5 }, ["/ttlSeconds"]],
      [{ ttlSeconds: 1e9 }, ["/ttlSeconds"]],
      [{ id: "bob" }, ["/id"]],
      [{ data: { "a/b": [1, Infinity] } }, ["/data/a~1b/1"]],
      [{ data: { x: "\ud800" } }, ["/data/x"]],
      [{ data: { "\udc00": 1 } }, ["/data/\udc00"]],
      [{ data: deep }, [`/data${"/0".repeat(100)}`]],
    ];
    for (const [value, pointers] of wrong) {
      const tries: (() => Promise<unknown>)[] = [() => sessions.put("alice", value)];
      if (isJsonObject(value)) tries.push(() => sessions.merge("alice", { data: {}, ...value }));
      for (const put of tries) {
        const { options } = await refuses(put, "invalid_session");
        const errors = options.extensions!["errors"] as { pointer: string }[];
        assert.equal(errors.map(({ pointer }) => pointer), pointers);
      }
    }
    await refuses(() => sessions.merge("alice", { version: 1 }), "invalid_session");
    await refuses(() => sessions.merge("alice", null), "invalid_session");
    await refuses(() => sessions.patch("alice", [{ op: "remove", path: "" }]), "invalid_session");
    await refuses(() => sessions.patch("alice", [{ op: "replace", path: "/id", value: "b" }]), "invalid_session");
    assert.equal((await sessions.get("alice"))!.data, { a: 1 });
    await sessions.merge("alice", { data: null, ttlSeconds: null });
    assert.equal((await sessions.get("alice"))!.data, {});
  });

  test("a session takes so many bytes and no more, however it grows", async () => {
    await refuses(() => sessions.put("alice", { data: "é".repeat(1000) }), "document_too_large");
    assert.is(await sessions.get("alice"), undefined);
    await sessions.put("alice", { data: { a: "x".repeat(1900) } });
    await refuses(() => sessions.merge("alice", { data: { b: "x".repeat(100) } }), "document_too_large");
    await refuses(
      () => sessions.patch("alice", [{ op: "copy", from: "/data/a", path: "/data/b" }]),
      "document_too_large",
    );
    assert.equal((await sessions.get("alice"))!.data, { a: "x".repeat(1900) });
    // What a merge takes away makes room again.
    for (let n = 0; n < 20; n++) await sessions.merge("alice", { data: { a: null, [`b${n}`]: "x".repeat(90) } });
    await refuses(() => sessions.merge("alice", { data: { c: "x".repeat(90) } }), "document_too_large");
    assert.is(Object.keys((await sessions.get("alice"))!.data!).length, 20);
  });

  test("a session lives from its last use on, and then is gone", async () => {
    await store.sessions.write("alice", { json: "1", ttlMs: 1, sealed: "" }, undefined);
    await eventually(async () => await store.sessions.read("alice") === undefined, "expiry");
    await refuses(() => sessions.merge("alice", { data: { a: 1 } }), "session_not_found");
    const { session } = await sessions.put("alice", { data: 1, ttlSeconds: 60 });
    assert.ok(session.expiresAt >= session.updatedAt + 60_000);
    const later = await eventually(async () => {
      const found = (await sessions.get("alice"))!;
      return found.expiresAt > session.expiresAt + 100 && found;
    }, "a later end");
    assert.is(later.version, session.version);
    await eventually(
      async () => (await listAll(sessions, 10))[0]!.expiresAt > session.expiresAt + 50,
      "a life that is longer, and is not only said to be",
    );
    const merged = await sessions.merge("alice", { data: { a: 1 }, ttlSeconds: 200 });
    assert.ok(merged.expiresAt >= later.expiresAt + 130_000);
    const [changed] = await listAll(sessions, 10);
    assert.ok(Math.abs(changed!.expiresAt - merged.expiresAt) < 60_000);
  });

  test("list() gives every session at least once, whatever it is called", async () => {
    const odd = ["a:b", "a*", "[x]", "{1}", "../é😀", " ", "events:a"];
    const ids = [...odd, ...Array.from({ length: 200 }, (_, n) => `n${n}`)];
    await Promise.all(ids.map((id) => sessions.put(id, {})));
    const found = new Set((await listAll(sessions, 20)).map(({ id }) => id));
    assert.equal([...found].sort(), ids.sort());
    for (const wrong of ["", "x", "-1", "1e3", "99999999999999999999999"]) {
      await refuses(() => sessions.list({ limit: 10, cursor: wrong }), "invalid_parameter");
    }
  });

  test("concurrent patches of different parts lose nothing", async () => {
    const other = driver.isShared ? await driver.open("b") : store;
    try {
      await patchAll([store.sessions, other.sessions], { patches: 300, sessions: 5 });
    } finally {
      if (other !== store) await other[Symbol.asyncDispose]();
    }
  });

  test.run();
}

/** All of them: a page may be empty where a Redis holds much else. */
async function listAll(sessions: Sessions, limit: number) {
  const listed: { id: string; expiresAt: number }[] = [];
  let cursor: string | undefined;
  do {
    const page = await sessions.list({ limit, ...(cursor !== undefined && { cursor }) });
    listed.push(...page.sessions);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return listed;
}
