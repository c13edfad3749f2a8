/**
 * Calls a Millrace server's API from a command line, with one-line errors in place of stack traces.
 *
 * @example
 * ```ts
 * const api = createApiClient({ env, fetch });
 * const { deadLetters } = await api("GET", "/api/dead-letters");
 * ```
 */

/** What a command is given of the world. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
  /** Writes one line to standard error. */
  readonly printError: (line: string) => void;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** The call did not succeed; the message is one line for whoever typed the command. */
export class ApiCallError extends Error {
  override readonly name = "ApiCallError";
}

/** The arguments make no command. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Calls the API: the JSON of the answer, `undefined` when it has none. Throws {@linkcode ApiCallError}. */
// deno-lint-ignore no-explicit-any
export type ApiClient = (method: string, path: string) => Promise<any>;

/** A call that has not been answered by then is given up. */
const TIMEOUT_MS = 30_000;

/**
 * Makes a client of the server at `url`, else at `MILLRACE_URL`, else on this machine at `PORT`; the first of
 * `API_TOKENS` is its bearer token.
 *
 * @throws {UsageError} when that is no http URL
 */
export function createApiClient(
  options: Pick<CommandContext, "env" | "fetch"> & { url?: string | undefined },
): ApiClient {
  const { env, fetch } = options;
  const base = baseUrl(options.url || env["MILLRACE_URL"] || `http://127.0.0.1:${env["PORT"] || 8080}`);
  const token = env["API_TOKENS"]?.split(",").map((text) => text.trim()).find((text) => text !== "");
  return async function call(method, path) {
    let response: Response;
    try {
      response = await fetch(`${base}${path}`, {
        method,
        headers: { accept: "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new ApiCallError(`Cannot reach ${base}: ${reasonOf(error)}; is it running, and is MILLRACE_URL right?`);
    }
    const body = await response.json().catch(() => undefined);
    if (response.ok && (body !== undefined || response.status === 204)) return body;
    throw new ApiCallError(faultOf(response.status, body, base));
  };
}

function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new UsageError(`Expected the server's http URL: received "${text}"`);
  }
  if (url.username || url.password) throw new UsageError("Expected a URL without credentials: set API_TOKENS instead");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function faultOf(status: number, body: unknown, base: string): string {
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  if (typeof code !== "string") return `${base} answers ${status}, and not as Millrace does`;
  if (code === "unauthorized") return `${base} refuses the token: ${detail}; set API_TOKENS as the server has it`;
  return `${detail} (${status} ${code})`;
}

/** `fetch` itself says no more than that it failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const [first] = cause instanceof AggregateError ? cause.errors : [cause];
  return first instanceof Error && first.message ? first.message : cause.message || error.message;
}
