import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../src/lib/errors.ts";
import { SealedParts } from "../../src/sessions/sealed_parts.ts";

const key = (id: string, fill: number) => ({ id, bytes: new Uint8Array(32).fill(fill) });
const at = { id: "alice", place: ["card"] };

async function refused(work: Promise<unknown>): Promise<void> {
  const error = await work.then(() => undefined, (error) => error);
  assert.ok(error instanceof MillraceError && error.code === "session_unreadable", String(error));
}

test("open() gives back what seal() was given, and two seals of one value differ", async () => {
  const parts = new SealedParts({ keys: [key("k1", 1)], pointers: ["/card"] });
  const value = { number: "4242", é: [null, 1.5, "😀"] };
  const [first, second] = [await parts.seal(value, at), await parts.seal(value, at)];
  assert.match(first, /^k1\.[A-Za-z0-9+/]+=*$/);
  assert.is.not(first, second);
  assert.equal(await parts.open(first, at), value);
});

test("open() refuses what was changed, put elsewhere, or sealed by a key that is not there", async () => {
  const parts = new SealedParts({ keys: [key("k1", 1)], pointers: ["/card"] });
  const sealed = await parts.seal("secret", at);
  await refused(parts.open(sealed, { ...at, id: "bob" }));
  await refused(parts.open(sealed, { ...at, place: ["other"] }));
  await refused(parts.open(sealed.replace(/.(?=.$)/, (last) => last === "A" ? "B" : "A"), at));
  await refused(parts.open(sealed.slice(0, 20), at));
  await refused(parts.open("", at));
  await refused(new SealedParts({ keys: [key("k2", 1)], pointers: [] }).open(sealed, at));
  await refused(new SealedParts({ keys: [key("k1", 2)], pointers: [] }).open(sealed, at));
});

test("the first key seals, and the others open", async () => {
  const before = new SealedParts({ keys: [key("k1", 1)], pointers: ["/card"] });
  const after = new SealedParts({ keys: [key("k2", 2), key("k1", 1)], pointers: ["/card"] });
  const old = await before.seal("secret", at);
  assert.is(await after.open(old, at), "secret");
  assert.ok(after.isOld(old) && !before.isOld(old));
  assert.not(after.isOld(await after.seal("secret", at)));
});

test("places inside others are left out, and without keys nothing is sealed", () => {
  const keys = [key("k1", 1)];
  const { places } = new SealedParts({ keys, pointers: ["/a/b", "/a", "/ab", "/a/b/c", "/a"] });
  assert.equal(places, [["a"], ["ab"]]);
  assert.equal(new SealedParts({ keys: [], pointers: ["/a"] }).places, []);
});

test.run();
