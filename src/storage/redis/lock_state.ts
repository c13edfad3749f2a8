/**
 * The state of a lock as others see it, read from the reply of its script.
 */
import type { LockHolder, LockMode, LockState, LockWaiter } from "../../locks/lock_store.ts";
import type { InspectReply } from "./scripts/inspect_lock.ts";

/** Who holds a lock and who waits for it, without tokens. */
export function lockStateOf(name: string, reply: InspectReply): LockState {
  const [nowText, holder, till, shared, sharers, waiting, waiters] = reply;
  const now = Number(nowText);
  const holders: LockHolder[] = [];
  // Redis has a key until the millisecond after its end, and nobody else gets the lock before.
  if (holder !== null && till >= now) {
    const [, fence, , owner = ""] = words(holder, 4);
    holders.push({ owner, mode: "exclusive", fence: Number(fence), expiresAt: till, remainingMs: till - now });
  }
  for (const [at, sharer] of sharers.entries()) {
    const expiresAt = Number(shared[2 * at + 1]);
    if (sharer === null || expiresAt <= now) continue;
    const [fence, , owner = ""] = words(sharer, 3);
    holders.push({ owner, mode: "shared", fence: Number(fence), expiresAt, remainingMs: expiresAt - now });
  }
  const shown = waiters.map((member): LockWaiter => {
    const [, mode, , , owner = ""] = words(member, 5);
    return { owner, mode: mode as LockMode };
  });
  return { name, holders, waiting, waiters: shown };
}

/** The first words of a text, and all that is left as the last one: an owner may have spaces. */
function words(text: string, count: number): string[] {
  const all = text.split(" ");
  return [...all.slice(0, count - 1), all.slice(count - 1).join(" ")];
}
