/**
 * The workflows of the scenes: most wait at a gate of the echo server, so that a scene says what happens when.
 */

/** How long a caller waits for an answer, in seconds: longer than any scene. */
const CALLER_SECONDS = 120;
/** For how long a workflow that must end by its own time may run, in seconds. */
export const BRIEF_SECONDS = 3;
/** How many executions of the limited workflow may run at once. */
export const SLOTS = 2;
/** How often the workflow that never succeeds tries. */
export const TRIES = 3;

const REPLY = {
  id: "reply",
  type: "httpResponse",
  parameters: { status: 201, body: { n: "{{ $trigger.body.n }}", token: "{{ $trigger.body.token }}" } },
};
const DELAY = { id: "wait", type: "delay", parameters: { seconds: "{{ $trigger.body.seconds }}" } };

/** Ids and definitions, for an echo server. */
export function sceneWorkflows(echo: string): [string, unknown][] {
  const call = (id: string, more: object = {}) => ({
    id,
    type: "httpRequest",
    parameters: {
      url: echo,
      method: "POST",
      query: { gate: `{{ $trigger.body.gate & "-${id}" }}`, fails: "{{ $trigger.body.fails }}" },
      body: { n: "{{ $trigger.body.n }}" },
      timeoutSeconds: CALLER_SECONDS,
    },
    ...more,
  });
  const ungated = { url: echo, method: "POST", query: { fails: "{{ $trigger.body.fails }}" }, body: { n: 1 } };
  const retry = { maxAttempts: TRIES, backoffMs: 1500, maxBackoffMs: 1500 };
  return [
    define("scene-plain", [REPLY]),
    define("scene-gated", [call("one"), call("two"), REPLY]),
    define("scene-parked", [DELAY, REPLY]),
    define("scene-brief", [DELAY, REPLY], { settings: { timeoutSeconds: BRIEF_SECONDS } }),
    define("scene-limited", [call("one")], { settings: { concurrency: SLOTS } }),
    define("scene-stubborn", [{ id: "call", type: "httpRequest", parameters: ungated, retry }]),
    define("scene-early", [REPLY, call("after")], { responseMode: "responseNode" }),
  ];
}

function define(
  id: string,
  nodes: readonly { id: string; type: string; parameters: object; retry?: object }[],
  { settings = {}, responseMode = "lastNode" }: { settings?: object; responseMode?: string } = {},
): [string, unknown] {
  const ids = ["hook", ...nodes.map((node) => node.id)];
  const hook = { path: id, method: "POST", responseMode, timeoutSeconds: CALLER_SECONDS };
  return [id, {
    name: id,
    settings: { timeoutSeconds: 2 * CALLER_SECONDS, resultTtlSeconds: 300, ...settings },
    nodes: [{ id: "hook", type: "webhook", parameters: hook }, ...nodes],
    connections: ids.slice(1).map((to, i) => ({ from: ids[i], to })),
  }];
}
