/**
 * Finds the webhook for a request, with Hono's trie router. Among the webhooks that take the request's method, static
 * segments win over `:name` segments, compared from left to right.
 */
import { TrieRouter } from "hono/router/trie-router";
import type { CompiledWorkflow, Webhook } from "./definition.ts";

/** What a request matched. */
export interface WebhookMatch {
  readonly workflow: CompiledWorkflow;
  readonly webhook: Webhook;
  /** Values of the `:name` segments, percent-decoded. */
  readonly params: Record<string, string>;
}

interface Route {
  readonly workflow: CompiledWorkflow;
  readonly webhook: Webhook;
  /** Sorts the most static path first: `0` for a static segment, `1` for a named one. */
  readonly rank: string;
}

/** The webhooks of a set of workflows. */
export class WebhookMatcher {
  readonly #router = new TrieRouter<Route>();
  /** Matches without named segments that were found before, by method and path: as many as there are such webhooks. */
  readonly #found = new Map<string, WebhookMatch>();

  /** Adds the webhooks of all active workflows. */
  constructor(workflows: Iterable<CompiledWorkflow>) {
    for (const workflow of workflows) {
      if (!workflow.definition.active) continue;
      for (const webhook of workflow.webhooks) {
        const rank = webhook.path.split("/").map((segment) => segment.startsWith(":") ? "1" : "0").join("");
        this.#router.add("ALL", `/${webhook.path}`, { workflow, webhook, rank });
      }
    }
  }

  /**
   * Matches a path without its leading slash, still percent-encoded. Gives the methods to name in `Allow` where the
   * path is known but not the method.
   */
  match(method: string, path: string): WebhookMatch | { readonly allow: string[] } | undefined {
    const call = `${method} /${path}`;
    const before = this.#found.get(call);
    if (before !== undefined) return before;
    const canonical = canonicalPath(path);
    if (canonical === undefined) return undefined;
    const match = this.#match(method, canonical);
    const isPlain = match !== undefined && "params" in match && Object.keys(match.params).length === 0;
    // What is spelled otherwise would be one more for each spelling.
    if (isPlain && call === `${method} ${canonical}`) this.#found.set(call, match);
    return match;
  }

  #match(method: string, canonical: string): WebhookMatch | { readonly allow: string[] } | undefined {
    const [found] = this.#router.match("ALL", canonical) as [[Route, Record<string, string>][]];
    let best: [Route, Record<string, string>] | undefined;
    const allow = new Set<string>();
    for (const candidate of found) {
      const [{ webhook, rank }] = candidate;
      for (const name of webhook.methods) allow.add(name);
      if (webhook.methods.includes(method) && (best === undefined || rank < best[0].rank)) best = candidate;
    }
    if (best === undefined) return allow.size === 0 ? undefined : { allow: [...allow].sort() };
    const [{ workflow, webhook }, params] = best;
    return { workflow, webhook, params: decodeParams(params) };
  }
}

/** Percent-encodes each segment in one way (RFC 3986, section 6.2.2), so that no part of it can look like a pattern. */
function canonicalPath(path: string): string | undefined {
  if (!path.includes("%") && /^[\w./~-]*$/.test(path)) return `/${path}`;
  try {
    return `/${path.split("/").map((segment) => encodeURIComponent(decodeURIComponent(segment))).join("/")}`;
  } catch {
    // Not percent-encoded UTF-8: no path can match.
    return undefined;
  }
}

function decodeParams(params: Record<string, string>): Record<string, string> {
  const decoded: Record<string, string> = {};
  for (const name of Object.keys(params)) decoded[name] = decodeURIComponent(params[name] as string);
  return decoded;
}
