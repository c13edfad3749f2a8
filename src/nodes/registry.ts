/**
 * All node types: to add one, write its file and name it here.
 */
import type { Caches } from "../caches/caches.ts";
import { delay } from "./delay.ts";
import { fail } from "./fail.ts";
import { createHttpRequest } from "./http_request.ts";
import { httpResponse } from "./http_response.ts";
import { manual } from "./manual.ts";
import type { NodeTypes } from "../workflow/node_type.ts";
import { schedule } from "./schedule.ts";
import { switchNode } from "./switch.ts";
import { transform } from "./transform.ts";
import { createWebhook } from "./webhook.ts";

/** Options of {@linkcode createNodeTypes}. */
export interface NodeTypeOptions {
  /** Makes outgoing calls; see `guarded_fetch.ts`. Required. */
  readonly fetch: typeof globalThis.fetch;
  /** Bytes that an `httpRequest` reads at most, whatever its `maxBytes`. Default 32 MiB. */
  readonly maxOutputBytes?: number;
  /** Where `httpRequest` nodes with `cache` keep answers; without it they call each time. */
  readonly caches?: Pick<Caches, "respond"> | undefined;
  /** Environment variables whose secrets webhooks may name. Default none. */
  readonly secretNames?: ReadonlySet<string>;
}

/** Makes the node types of this release. */
export function createNodeTypes(options: NodeTypeOptions): NodeTypes {
  const types = [
    createWebhook(options),
    manual,
    schedule,
    transform,
    httpResponse,
    switchNode,
    delay,
    createHttpRequest(options),
    fail,
  ];
  return new Map(types.map((type) => [type.type, type]));
}
