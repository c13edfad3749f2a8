/**
 * Scenes of answers: each comes, once it exists, to whoever waits, and again as it was.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { settles } from "../call.ts";
import type { Actor, Answer } from "./actor.ts";

const CALLERS = 8;
const LOST_MS = 1500;
const AGAIN_MS = 200;

/**
 * Who is answered early is answered though the answer is lost on its way, and who asks again while the rest still runs
 * gets the same, from any instance, and so after the end.
 */
export async function early(actor: Actor): Promise<void> {
  const { echo, http } = actor.cluster;
  const gate = actor.gate();
  const key = actor.named("key");
  const body = { gate, key };
  const answer = actor.call("scene-early", { body, key });
  answer.catch(() => {});
  await loseInboxes(actor);
  const first = await soon(actor, answer, "the early answer");
  const repeated = () => answered(() => actor.call("scene-early", { body, key, at: http[1]! }));
  const again = await soon(actor, repeated(), "the early answer again");
  echo.openGate(`${gate}-after`);
  await actor.ends([first.executionId]);
  const last = await soon(actor, repeated(), "the answer after the end");
  for (const answer of [first, again, last]) {
    const isSame = answer.status === 201 && answer.body === first.body && answer.executionId === first.executionId;
    await actor.expect(isSame, "duplicated", `first ${first.body}, then ${answer.status} ${answer.body}`);
  }
}

/** Asks again after "not now", as senders do: an instance may not have noticed yet that its link for followed logs is dead. */
async function answered(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await call();
    if (settles(answer)) return answer;
    await sleep(AGAIN_MS);
  }
}

/** Callers with one key at once, everywhere, make one execution. */
export async function oneKey(actor: Actor): Promise<void> {
  const key = actor.named("key");
  const calls = Array.from({ length: 2 * CALLERS }, (_, i) => {
    const at = actor.cluster.serving[i % actor.cluster.serving.length]!;
    return actor.call("scene-plain", { body: { key }, key, at });
  });
  const answers = await soon(actor, Promise.all(calls), "the answers to one key");
  const kept = await Promise.all(
    ["first", "second"].map((name) =>
      actor.call("scene-plain", { body: { key: `${key}-${name}` }, key: `${key}-${name}` })
    ),
  );
  // Whose time was over, on a slow machine, is told which one runs on.
  const told = answers.filter(({ status }) => status === 201 || status === 504);
  const ids = new Set(told.map(({ executionId }) => executionId));
  await actor.expect(ids.size === 1, "duplicated", `${ids.size} executions of one key`);
  const [first, second] = kept.map(({ executionId }) => executionId);
  await actor.expect(first === "" || first !== second, "wrong", "two keys made one execution");
}

/** Callers whose inbox is lost while their answers are made are found. */
export async function lostInbox(actor: Actor): Promise<void> {
  const { echo } = actor.cluster;
  const gate = actor.gate();
  const calls = Array.from({ length: CALLERS }, () => actor.call("scene-gated", { body: { gate } }));
  const answers = Promise.all(calls);
  answers.catch(() => {});
  await actor.until("all callers at the gate", () => echo.waiting(`${gate}-one`) >= CALLERS);
  echo.openGate(`${gate}-one`);
  echo.openGate(`${gate}-two`);
  await loseInboxes(actor);
  const made = await soon(actor, answers, "the answers to callers whose inbox was lost");
  for (const { status } of made) await actor.expect(status === 201, "wrong", `a status of ${status}`);
}

/** A request whose reply is lost is sent again, and is one request. */
export async function lostReplies(actor: Actor): Promise<void> {
  const [target] = actor.cluster.http;
  const lost = target!.proxy.loseReplies(150);
  const calls = Array.from({ length: CALLERS }, () => actor.call("scene-plain"));
  await lost;
  const answers = await soon(actor, Promise.all(calls), "the answers to requests whose replies were lost");
  const ids = answers.flatMap(({ executionId }) => executionId === "" ? [] : [executionId]);
  const accepted = answers.filter(({ status }) => status === 201).map(({ executionId }) => executionId);
  await actor.ends(accepted);
  for (const id of ids) {
    const requests = (await actor.log(id)).filter(({ type }) => type === "execution.requested").length;
    await actor.expect(requests <= 1, "duplicated", `${requests} requests in one log`, id);
  }
}

/** Removes the inboxes of the first instance again and again: what is sent there for a while is lost. */
async function loseInboxes({ cluster: { redis, keys } }: Actor): Promise<void> {
  const inboxes = keys.each((partition) => keys.inbox(partition, "http1"));
  for (const until = Date.now() + LOST_MS; Date.now() < until; await sleep(5)) await redis.send("DEL", ...inboxes);
}

async function soon<T extends Answer | Answer[]>(actor: Actor, promise: Promise<T>, what: string): Promise<T> {
  let made: { value: T } | { error: unknown } | undefined;
  promise.then((value) => made = { value }, (error) => made = { error });
  await actor.until(what, () => made !== undefined);
  if ("error" in made!) throw made.error;
  return made!.value;
}
