/**
 * Calls with one idempotency key.
 */

/** The header of all of them. */
export const KEY = { "idempotency-key": "order-1" };

/** What must not differ between the answers to one key. */
export async function essence(response: Response): Promise<unknown[]> {
  return [response.status, await response.text(), response.headers.get("execution-id")];
}
