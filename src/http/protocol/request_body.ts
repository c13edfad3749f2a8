/**
 * Request bodies: read within limits of size and time.
 *
 * @example
 * ```ts
 * const bytes = await readBytes(request, { limitBytes: 4_194_304, stallMs: 10_000, share });
 * ```
 */
import type { Config } from "../../config/config.ts";
import { MillraceError } from "../../lib/errors.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { BodyShare } from "./body_budget.ts";
import { type JsonLimits, parseJson } from "./json_body.ts";
import { readBounded } from "../../lib/bounded_body.ts";
import { Deadline } from "../../lib/deadline.ts";
import { isJsonType, mediaType } from "../../lib/content_type.ts";

const EMPTY = new Uint8Array(0);

/** Limits of a request body. */
export interface BodyLimits extends JsonLimits {
  /** Largest body, in bytes. */
  readonly limitBytes: number;
  /** Time in which a body must bring at least {@linkcode PROGRESS_BYTES} bytes or end, in milliseconds. */
  readonly stallMs: number;
}

/** Where the bytes of a body come from, and where they are counted. */
interface BodySource {
  readonly share: BodyShare;
  /** Gives the body if all its bytes, this many, are there already: reading it costs less; default: it is read. */
  readonly take?: ((bytes: number) => Uint8Array | undefined) | undefined;
  /** The header fields, where they can be had at less cost than by the request. */
  readonly headers?: Pick<Headers, "get">;
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

/** A body of at most this many declared bytes may be there with the head. */
const SMALL_BYTES = 65_536;
/** A body that brings fewer bytes within `stallMs`, and does not end, gets `body_timeout`. */
const PROGRESS_BYTES = 1_024;

/**
 * Reads a body of at most `limitBytes`, whose bytes are reserved in `share`. A larger one is refused before it is read
 * if it declares its length, and otherwise (chunked) as soon as more has arrived.
 *
 * @throws {MillraceError} `body_too_large`, `unsupported_media_type` (content encodings), `malformed_body`,
 * `body_timeout`, `bodies_full`
 */
export async function readBytes(
  request: Request,
  options: Pick<BodyLimits, "limitBytes" | "stallMs"> & BodySource,
): Promise<Uint8Array> {
  const { limitBytes, stallMs, share, take, headers = request.headers } = options;
  const { method } = request;
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
    if (take !== undefined && declared <= SMALL_BYTES) {
      // What has come with the head is there after a turn.
      await undefined;
      const taken = take(declared);
      if (taken !== undefined) {
        share.add(declared);
        return taken;
      }
    }
    if (declared <= PROGRESS_BYTES) {
      // In one piece, which is cheaper: it ends within the time, or has brought too little.
      share.add(declared);
      const bytes = new Uint8Array(await within(request.arrayBuffer(), stallMs));
      if (bytes.length > limitBytes) throw tooLarge(limitBytes);
      return bytes;
    }
    return await readStream(request.body, { ...options, declared });
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError("malformed_body", "The body ended before it was complete", { cause: error });
  }
}

/** Reserves bytes as they arrive, so that a declared length that never arrives takes no share of the budget. */
async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  options: Pick<BodyLimits, "limitBytes" | "stallMs"> & { share: BodyShare; declared: number },
): Promise<Uint8Array> {
  const { limitBytes, stallMs, share, declared } = options;
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
      expectedBytes: declared > 0 ? declared : undefined,
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
  options: BodyLimits & BodySource,
): Promise<JsonValue | undefined> {
  return (await readJsonAndBytes(request, options)).value;
}

/** Does what {@linkcode readJson} does, and returns the bytes as they were sent too. */
export async function readJsonAndBytes(
  request: Request,
  options: BodyLimits & BodySource,
): Promise<{ value: JsonValue | undefined; bytes: Uint8Array }> {
  const contentType = request.headers.get("content-type");
  if (contentType !== null && !isJsonType(mediaType(contentType))) throw notJson(contentType);
  const bytes = await readBytes(request, options);
  if (bytes.length === 0) return { value: undefined, bytes };
  if (contentType === null) throw notJson("");
  return { value: parseJson(bytes, options), bytes };
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
