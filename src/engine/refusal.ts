/**
 * Why a worker ends an execution that it does not run.
 */
import type { InvalidWorkflowError, NodeErrorData } from "../lib/errors.ts";
import type { Claim } from "../execution/claim.ts";

/**
 * Another program has not ended it in time, or its workflow's version is gone; or that is `invalid`, and no worker had a
 * release that takes it.
 */
export function refusalOf(
  { external, version, workflowId }: Claim,
  invalid: InvalidWorkflowError | undefined,
): NodeErrorData {
  if (external) {
    return { code: "execution_timeout", message: "The program that runs the execution did not end it in time" };
  }
  if (invalid === undefined) {
    const detail = `Version ${version} of the workflow "${workflowId}" no longer exists`;
    return { code: "workflow_not_found", message: "The version of the workflow no longer exists", detail };
  }
  const [fault] = invalid.faults;
  return {
    code: "dead_letter",
    message: "No worker could run the version of the workflow",
    detail: `Version ${version} of the workflow "${workflowId}" does not compile: ${fault?.pointer} ${fault?.detail}`,
  };
}
