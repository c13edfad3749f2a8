/**
 * Many patches of a few sessions at once, each of a part of its own, and the count of what is there at the end. Half are
 * merge patches (RFC 7396), half JSON patches (RFC 6902).
 */
import * as assert from "uvu/assert";
import { Sessions } from "../../src/sessions/sessions.ts";
import type { SessionStore } from "../../src/sessions/session_store.ts";

/** Patches through all these stores, which share their sessions, and checks that every part is there. */
export async function patchAll(
  stores: readonly SessionStore[],
  options: { patches: number; sessions: number },
): Promise<void> {
  const all = stores.map((store) => new Sessions({ store }));
  const ids = Array.from({ length: options.sessions }, (_, at) => `patched-${at}`);
  await Promise.all(ids.map((id) => all[0]!.put(id, { data: {} })));
  await Promise.all(Array.from({ length: options.patches }, async (_, at) => {
    const sessions = all[at % all.length]!;
    const id = ids[at % ids.length]!;
    const name = `field-${at}`;
    if ((at >> 1) % 2 === 0) await sessions.merge(id, { data: { [name]: at } });
    else await sessions.patch(id, [{ op: "add", path: `/data/${name}`, value: at }]);
  }));
  for (const [place, id] of ids.entries()) {
    const { data } = (await all[0]!.get(id))!;
    const fields = Object.fromEntries(
      Array.from({ length: options.patches }, (_, at) => at)
        .filter((at) => at % ids.length === place).map((at) => [`field-${at}`, at]),
    );
    assert.equal(data, fields);
  }
}
