/**
 * Request bodies: read within limits of size and time, and as JSON.
 *
 * @example
 * ```ts
 * const bytes = await readBytes(request, { limitBytes: 4_194_304, stallMs: 10_000, share });
 * const value = parseJson(bytes, { limitValues: 250_000 });
 * ```
 */
import type { Config } from "../../config/config.ts";
import { MillraceError } from "../../lib/errors.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { BodyShare } from "./body_budget.ts";
import { readBounded } from "../../lib/bounded_body.ts";
import { Deadline } from "../../lib/deadline.ts";
import { isJsonType, mediaType } from "../../lib/content_type.ts";
import { scanJson } from "../../lib/json_scan.ts";

/** How deep JSON may nest. */
const MAX_JSON_DEPTH = 200;

const EMPTY = new Uint8Array(0);
/** `fatal`: bytes that are not UTF-8 are refused, never replaced. A byte order mark is dropped. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Limits of a request body. */
export interface BodyLimits {
  /** Largest body, in bytes. */
  readonly limitBytes: number;
  /** The most JSON values of one body. */
  readonly limitValues: number;
  /** Time in which a body must bring at least {@linkcode PROGRESS_BYTES} bytes or end, in milliseconds. */
  readonly stallMs: number;
}

/** The configured limits. */
export function bodyLimits(
  { bodyLimitBytes, bodyLimitValues, bodyStallSeconds }: Pick<
    Config,
    "bodyLimitBytes" | "bodyLimitValues" | "bodyStallSeconds"
  >,
): BodyLimits {
  return { limitBytes: bodyLimitBytes, limitValues: bodyLimitValues, stallMs: bodyStallSeconds * 1000 };
}

/** A body of at most this many declared bytes is read in one piece, and must be complete within `stallMs`. */
const SMALL_BYTES = 65_536;
/** A body that brings fewer bytes within `stallMs`, and does not end, gets `body_timeout`. */
const PROGRESS_BYTES = 1_024;

/**
 * Reads a body of at most `limitBytes`, whose bytes are reserved in `share`. A larger one is refused before it is read
 * if it declares its length, and otherwise (chunked) as soon as more has arrived.
 *
 * @param options.take gives the body if all of it is there already, where that can be told
 * @throws {MillraceError} `body_too_large`, `unsupported_media_type` (content encodings), `malformed_body`,
 * `body_timeout`, `bodies_full`
 */
export async function readBytes(
  request: Request,
  options: Pick<BodyLimits, "limitBytes" | "stallMs"> & {
    share: BodyShare;
    take?: ((bytes: number) => Uint8Array | undefined) | undefined;
  },
): Promise<Uint8Array> {
  const { limitBytes, stallMs, share, take } = options;
  const { method, headers } = request;
  if (method === "GET" || method === "HEAD") return EMPTY;
  const encoding = headers.get("content-encoding");
  if (encoding && encoding.toLowerCase() !== "identity") {
    throw new MillraceError("unsupported_media_type", `Cannot read the content encoding "${encoding}"`, {
      headers: { "accept-encoding": "identity" },
    });
  }
  const declared = Number(headers.get("content-length") ?? NaN);
  if (declared === 0) return EMPTY;
  if (declared > limitBytes) throw tooLarge(limitBytes);
  try {
    if (declared > 0 && declared <= SMALL_BYTES) {
      share.add(declared);
      if (take !== undefined) {
        // What has come with the head is there after a turn.
        await undefined;
        const taken = take(declared);
        if (taken !== undefined) return taken;
      }
      const bytes = new Uint8Array(await within(request.arrayBuffer(), stallMs));
      if (bytes.length > limitBytes) throw tooLarge(limitBytes);
      return bytes;
    }
    return await readStream(request.body, options);
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError("malformed_body", "The body ended before it was complete", { cause: error });
  }
}

/** Reserves bytes as they arrive, so that a declared length that never arrives takes no share of the budget. */
async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  options: Pick<BodyLimits, "limitBytes" | "stallMs"> & { share: BodyShare },
): Promise<Uint8Array> {
  const { limitBytes, stallMs, share } = options;
  const stall = new AbortController();
  let length = 0;
  let seen = 0;
  const timer = setInterval(() => {
    if (length - seen < PROGRESS_BYTES) stall.abort(bodyTimeout());
    seen = length;
  }, stallMs);
  try {
    return await readBounded(stream, {
      limitBytes,
      tooLarge: () => tooLarge(limitBytes),
      signal: stall.signal,
      onPart: (bytes) => {
        share.add(bytes);
        length += bytes;
      },
    });
  } finally {
    clearInterval(timer);
  }
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const deadline = new Deadline(ms, () => reject(bodyTimeout()));
    promise.then((value) => {
      deadline.leave();
      resolve(value);
    }, (error) => {
      deadline.leave();
      reject(error);
    });
  });
}

/**
 * Reads a body that must be JSON; `undefined` if it is empty.
 *
 * @throws {MillraceError} `unsupported_media_type` unless the content type is JSON, and what {@linkcode readBytes}
 * and {@linkcode parseJson} throw
 */
export async function readJson(
  request: Request,
  options: BodyLimits & { share: BodyShare },
): Promise<JsonValue | undefined> {
  return (await readJsonAndBytes(request, options)).value;
}

/** Does what {@linkcode readJson} does, and returns the bytes as they were sent too. */
export async function readJsonAndBytes(
  request: Request,
  options: BodyLimits & { share: BodyShare },
): Promise<{ value: JsonValue | undefined; bytes: Uint8Array }> {
  const contentType = request.headers.get("content-type");
  if (contentType !== null && !isJsonType(mediaType(contentType))) throw notJson(contentType);
  const bytes = await readBytes(request, options);
  if (bytes.length === 0) return { value: undefined, bytes };
  if (contentType === null) throw notJson("");
  return { value: parseJson(bytes, options), bytes };
}

/**
 * Parses JSON text in UTF-8. `__proto__` becomes an own key like any other.
 *
 * @throws {MillraceError} `malformed_body`, `malformed_json`, `json_too_deep`, `json_too_many_values`
 */
export function parseJson(bytes: Uint8Array, options: Pick<BodyLimits, "limitValues">): JsonValue {
  const { limitValues } = options;
  // A level takes two characters, and so does a value, so a short text cannot exceed the limits.
  if (bytes.length > 2 * Math.min(MAX_JSON_DEPTH, limitValues)) {
    const { depth, values } = scanJson(bytes);
    if (depth > MAX_JSON_DEPTH) {
      throw new MillraceError("json_too_deep", `The JSON nests deeper than ${MAX_JSON_DEPTH} levels`);
    }
    if (values > limitValues) {
      throw new MillraceError("json_too_many_values", `The JSON has more than ${limitValues} values`, {
        extensions: { limitValues },
      });
    }
  }
  const text = decodeText(bytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MillraceError("malformed_json", `Cannot parse the body as JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Decodes text, strictly.
 *
 * @param charset a label of the Encoding Standard, UTF-8 by default
 * @throws {MillraceError} `malformed_body`, or `unsupported_media_type` for an unknown charset
 */
export function decodeText(bytes: Uint8Array, charset: string = "utf-8"): string {
  let decoder = utf8;
  if (charset.toLowerCase() !== "utf-8") {
    try {
      decoder = new TextDecoder(charset, { fatal: true });
    } catch (error) {
      throw new MillraceError("unsupported_media_type", `Cannot read the charset "${charset}"`, { cause: error });
    }
  }
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new MillraceError("malformed_body", `The body is not valid ${charset}`, { cause: error });
  }
}

function tooLarge(limitBytes: number): MillraceError {
  return new MillraceError("body_too_large", `The body is larger than ${limitBytes} bytes`, {
    extensions: { limitBytes },
    // The rest of the body stays unread, so the connection cannot be used for another request.
    headers: { connection: "close" },
  });
}

function bodyTimeout(): MillraceError {
  return new MillraceError("body_timeout", "The body does not come", { headers: { connection: "close" } });
}

function notJson(contentType: string): MillraceError {
  return new MillraceError(
    "unsupported_media_type",
    `Expected the content type "application/json": received "${contentType}"`,
  );
}
