/**
 * Calls the API of a Millrace server for commands. Errors are one line each.
 *
 * @example
 * ```ts
 * const api = createApiClient({ env, fetch });
 * const { deadLetters } = await api.call("GET", "/api/dead-letters");
 * ```
 */
import { reasonOf } from "../lib/reason.ts";

/** Where what a command shows can be drawn again over itself. */
export interface Terminal {
  /** How many characters a line has. */
  readonly columns: () => number;
  /** Writes as it is, control sequences (ECMA-48) too. */
  readonly write: (text: string) => void;
}

/** The environment of a command. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
  /** Writes one line to standard error. */
  readonly printError: (line: string) => void;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Absent where lines are all that can be written. */
  readonly terminal?: Terminal | undefined;
}

/** A call failed. The message is one line for the terminal. */
export class ApiCallError extends Error {
  override readonly name = "ApiCallError";
  /** What the server answered; absent where it did not, or the answer ended early. */
  readonly status: number | undefined;

  constructor(message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status;
  }
}

/** The arguments are not a valid command. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What goes with a call. */
export interface CallOptions {
  /** Request headers besides those that every call has; none by default. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: BodyInit;
  /** The call is given up when its answer has not begun by then; default 30,000. */
  readonly timeoutMs?: number;
  /** Ends the call, its answer too. */
  readonly signal?: AbortSignal;
}

/** A client of one server. Both calls throw {@linkcode ApiCallError}. */
export interface ApiClient {
  /** The JSON of the answer, `undefined` when it has none. */
  // deno-lint-ignore no-explicit-any
  call(method: string, path: string, options?: CallOptions): Promise<any>;
  /** The answer itself, whose body comes as it is made. */
  open(method: string, path: string, options?: CallOptions): Promise<Response>;
}

const TIMEOUT_MS = 30_000;

/**
 * Makes a client of the server at `url`, else at `MILLRACE_URL`, else on this machine at `PORT`; `MILLRACE_TOKEN`, else
 * the first of `API_TOKENS`, is its bearer token.
 *
 * @throws {UsageError} when that is no http URL
 */
export function createApiClient(
  options: Pick<CommandContext, "env" | "fetch"> & { url?: string | undefined },
): ApiClient {
  const { env, fetch } = options;
  const base = baseUrl(options.url || env["MILLRACE_URL"] || `http://127.0.0.1:${env["PORT"] || 8080}`);
  const first = env["API_TOKENS"]?.split(",").map((text) => text.trim()).find((text) => text !== "");
  // `name:token:scopes`, or the token alone.
  const token = env["MILLRACE_TOKEN"]?.trim() || (first?.split(":")[1] ?? first);

  async function open(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const { json, body = json === undefined ? undefined : JSON.stringify(json), headers } = options;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error("it does not answer")), options.timeoutMs ?? TIMEOUT_MS);
    const signals = [timeout.signal, ...(options.signal === undefined ? [] : [options.signal])];
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          accept: "application/json",
          ...(json !== undefined && { "content-type": "application/json" }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body !== undefined && { body }),
        signal: AbortSignal.any(signals),
      });
      if (response.ok) return response;
      const problem = await response.json().catch(() => undefined);
      throw new ApiCallError(faultOf(response.status, problem, base), { status: response.status });
    } catch (error) {
      if (error instanceof ApiCallError) throw error;
      const reason = reasonOf(error);
      throw new ApiCallError(`Cannot reach ${base}: ${reason}; is it running, and is MILLRACE_URL right?`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async function call(method: string, path: string, options: CallOptions = {}): Promise<unknown> {
    const response = await open(method, path, options);
    const answer = await response.json().catch(() => undefined);
    if (answer !== undefined || response.status === 204) return answer;
    throw new ApiCallError(faultOf(response.status, undefined, base), { status: response.status });
  }
  return { call, open };
}

function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new UsageError(`Expected the server's http URL: received "${text}"`);
  }
  if (url.username || url.password) {
    throw new UsageError("Expected a URL without credentials: set MILLRACE_TOKEN instead");
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function faultOf(status: number, body: unknown, base: string): string {
  const { code, detail, errors } = (body ?? {}) as { code?: unknown; detail?: unknown; errors?: unknown };
  if (typeof code !== "string") return `${base} answers ${status}, and not as Millrace does`;
  if (code === "unauthorized") {
    return `${base} refuses the token: ${detail}; set MILLRACE_TOKEN to one of its API_TOKENS`;
  }
  return `${detail}${firstOf(errors)} (${status} ${code})`;
}

/** Where and what the first of several faults is. */
function firstOf(errors: unknown): string {
  if (!Array.isArray(errors) || errors.length === 0) return "";
  const { pointer, detail } = errors[0] as { pointer?: unknown; detail?: unknown };
  return `, at ${pointer || "/"}: ${detail}`;
}
