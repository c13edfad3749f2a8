/**
 * Compiled workflows that run nothing, and a catalog of them.
 */
import type { AppDeps } from "../../src/http/frame/deps.ts";
import { MillraceError } from "../../src/lib/errors.ts";
import type { CompiledWorkflow, Webhook, WorkflowDefinition } from "../../src/workflow/definition.ts";

/** A workflow with one webhook, `orders/:id?` for POST, unless said otherwise. */
export function webhookWorkflow(options: Partial<Webhook> & { id?: string } = {}): CompiledWorkflow {
  const { id = "hooked", ...rest } = options;
  const webhook: Webhook = {
    nodeId: "hook",
    path: "orders",
    methods: ["POST"],
    responseMode: "lastNode",
    timeoutSeconds: 300,
    ...rest,
  };
  return compiled(id, { webhooks: [webhook] });
}

/** A compiled workflow with nothing that runs. */
export function compiled(id: string, members: Partial<CompiledWorkflow> = {}): CompiledWorkflow {
  const definition: WorkflowDefinition = {
    name: id,
    active: true,
    settings: { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 },
    nodes: [],
    connections: [],
  };
  return {
    id,
    version: 1,
    definition,
    updatedAt: 1_700_000_000_000,
    graph: new Map(),
    webhooks: [],
    schedules: [],
    manualTrigger: undefined,
    run: new Map(),
    ...members,
  };
}

/** A catalog in a map: the guards of PUT and DELETE, and paths without parameters. */
export function fakeCatalog(workflows: readonly CompiledWorkflow[]): AppDeps["catalog"] {
  const byId = new Map(workflows.map((workflow) => [workflow.id, workflow]));
  function guard(id: string, ifMatch: number | "*" | undefined): void {
    const current = byId.get(id);
    const isMet = ifMatch === undefined || (ifMatch === "*" ? current !== undefined : current?.version === ifMatch);
    if (!isMet) throw new MillraceError("version_mismatch", `The version is ${current?.version}`);
  }
  return {
    get: (id, version) => {
      const workflow = byId.get(id);
      return Promise.resolve(version === undefined || workflow?.version === version ? workflow : undefined);
    },
    matchWebhook(method, path) {
      for (const workflow of byId.values()) {
        for (const webhook of workflow.webhooks) {
          if (webhook.path !== path) continue;
          if (!webhook.methods.includes(method)) return { allow: [...webhook.methods] };
          return { workflow, webhook, params: {} };
        }
      }
      return undefined;
    },
    put: (id, definition, options = {}) => {
      guard(id, options.ifMatch);
      const before = byId.get(id);
      if (options.ifNoneMatch && before) throw new MillraceError("version_mismatch", "It exists");
      const version = (before?.version ?? 0) + 1;
      const workflow = compiled(id, { version, definition: definition as WorkflowDefinition });
      byId.set(id, workflow);
      return Promise.resolve({ workflow, created: before === undefined });
    },
    keepImported: () => Promise.resolve(),
    delete: (id, options = {}) => {
      guard(id, options.ifMatch);
      return Promise.resolve(byId.delete(id));
    },
    list: () => [...byId.values()],
  };
}
