/**
 * Stores the definitions of a folder (`WORKFLOWS_DIR`) when an instance starts.
 */
import { readdir, readFile } from "node:fs/promises";
import { ConfigError } from "../config/config.ts";
import { InvalidWorkflowError, isRefusedForNow } from "../lib/errors.ts";
import { reasonOf } from "../lib/reason.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { WorkflowCatalog } from "../workflow/catalog.ts";
import { PathTakenError } from "../workflow/store_rules.ts";
import { StartError } from "./stores.ts";

const ENDING = ".json";

/** What {@linkcode loadWorkflows} takes. */
export interface LoadOptions {
  /** Where definitions are stored. */
  readonly catalog: Pick<WorkflowCatalog, "put">;
  /** Told which definition was left out. */
  readonly logger: Pick<Logger, "warn">;
}

/**
 * Stores each `<id>.json`; a definition that is stored already makes no new version. One whose path a workflow that came
 * by another way has taken meanwhile is left out: whoever may store workflows must not keep instances from starting.
 *
 * @throws {ConfigError} the folder cannot be read, or holds what is no definition, or two that want one path
 * @throws {StartError} the store cannot take them now
 */
export async function loadWorkflows(directory: string, { catalog, logger }: LoadOptions): Promise<void> {
  const names = await readdir(directory).catch((error) => {
    throw new ConfigError(`WORKFLOWS_DIR "${directory}" cannot be read: ${reasonOf(error)}`);
  });
  const ids = names.filter((name) => name.endsWith(ENDING)).sort().map((name) => name.slice(0, -ENDING.length));
  for (const id of ids) {
    const path = `${directory}/${id}${ENDING}`;
    try {
      await catalog.put(id, JSON.parse(await readFile(path, "utf8")));
    } catch (error) {
      if (!(error instanceof PathTakenError) || error.owners.some((owner) => ids.includes(owner))) {
        throw refusal(path, error);
      }
      logger.warn({ error, path }, "workflow not stored");
    }
  }
}

function refusal(path: string, error: unknown): Error {
  if (isRefusedForNow(error)) return new StartError(`Cannot store ${path}: ${reasonOf(error)}`);
  const faults = error instanceof InvalidWorkflowError
    ? error.faults.map(({ pointer, detail }) => `${pointer || "/"}: ${detail}`).join("; ")
    : reasonOf(error);
  return new ConfigError(`WORKFLOWS_DIR holds ${path}, which is refused: ${faults}`);
}
