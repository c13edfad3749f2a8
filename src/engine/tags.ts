/**
 * The tags of an execution: what `settings.tags` makes of its request, once, when it starts.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Scope, Template } from "../expression/scope.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";

/** The longest value of a tag, in characters; what is longer is cut. */
const MAX_LENGTH = 200;

/** What the tags are made of. */
export interface TagsOptions {
  /** The execution that is tagged. */
  readonly executionId: string;
  /** What the expressions of `settings.tags` read as their input. */
  readonly triggerOutput: JsonValue;
  /** What expressions take for now: when the execution was requested, in epoch milliseconds. */
  readonly now: number;
}

/**
 * Evaluates the tags; never throws, since no execution fails by what it is called: a tag that has no value, or whose
 * expression fails, is left out. Objects and lists are their JSON.
 */
export async function tagsOf(
  { id: workflowId, version, tags }: CompiledWorkflow,
  { executionId, triggerOutput, now }: TagsOptions,
): Promise<Record<string, string>> {
  const execution = { id: executionId, workflowId, version };
  const scope: Scope = { input: triggerOutput, trigger: triggerOutput, nodes: {}, execution, now };
  const made = await Promise.all([...tags ?? []].map(async ([name, template]) => {
    const value = await valueOf(template, scope);
    if (value === null) return [];
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    return [[name, text.slice(0, MAX_LENGTH)] as const];
  }));
  return Object.fromEntries(made.flat());
}

async function valueOf(template: Template, scope: Scope): Promise<JsonValue> {
  try {
    return await template(scope) ?? null;
  } catch {
    return null;
  }
}
