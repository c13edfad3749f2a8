/**
 * Request bodies: read within a limit, and made into JSON values by their content type.
 *
 * @example
 * ```ts
 * const bytes = await readBytes(request, { limitBytes: 4_194_304 });
 * const body = await parseContent(bytes, request.headers.get("content-type"));
 * ```
 */
import { MillraceError } from "../errors.ts";
import { checkJson, type JsonValue } from "../json.ts";

/** How deep JSON may nest. */
export const MAX_JSON_DEPTH = 200;

const EMPTY = new Uint8Array(0);
/** `fatal`: bytes that are not UTF-8 are refused, never replaced. A byte order mark is dropped. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a body of at most `limitBytes`. One that declares more is refused before any of it is read, one that does
 * not declare its length (chunked) as soon as it has brought more.
 *
 * @throws {MillraceError} `body_too_large`, `unsupported_media_type` (content encodings), `malformed_body`
 */
export async function readBytes(request: Request, options: { limitBytes: number }): Promise<Uint8Array> {
  const { limitBytes } = options;
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
    if (declared > 0) {
      const bytes = new Uint8Array(await request.arrayBuffer());
      if (bytes.length > limitBytes) throw tooLarge(limitBytes);
      return bytes;
    }
    return await readStream(request.body, limitBytes);
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError("malformed_body", "The body ended before it was complete", { cause: error });
  }
}

async function readStream(stream: ReadableStream<Uint8Array> | null, limitBytes: number): Promise<Uint8Array> {
  if (stream === null) return EMPTY;
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    length += read.value.length;
    if (length > limitBytes) {
      await reader.cancel();
      throw tooLarge(limitBytes);
    }
    chunks.push(read.value);
  }
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * Reads a body that must be JSON; `undefined` if it is empty.
 *
 * @throws {MillraceError} `unsupported_media_type` unless the content type is JSON, and what {@linkcode readBytes}
 * and {@linkcode parseJson} throw
 */
export async function readJson(request: Request, options: { limitBytes: number }): Promise<JsonValue | undefined> {
  return (await readJsonAndBytes(request, options)).value;
}

/** What {@linkcode readJson} does, with the bytes as they were sent. */
export async function readJsonAndBytes(
  request: Request,
  options: { limitBytes: number },
): Promise<{ value: JsonValue | undefined; bytes: Uint8Array }> {
  const contentType = request.headers.get("content-type");
  if (contentType !== null && !isJsonType(mediaType(contentType))) throw notJson(contentType);
  const bytes = await readBytes(request, options);
  if (bytes.length === 0) return { value: undefined, bytes };
  if (contentType === null) throw notJson("");
  return { value: parseJson(bytes), bytes };
}

/**
 * Parses JSON text in UTF-8. `__proto__` becomes an own key like any other.
 *
 * @throws {MillraceError} `malformed_body`, `malformed_json`, `json_too_deep`
 */
export function parseJson(bytes: Uint8Array): JsonValue {
  const text = decodeText(bytes);
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MillraceError("malformed_json", `Cannot parse the body as JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  // Each level takes two characters, so a short text needs no look.
  if (text.length > 2 * MAX_JSON_DEPTH && checkJson(value, { maxDepth: MAX_JSON_DEPTH }) === "too_deep") {
    throw new MillraceError("json_too_deep", `The JSON nests deeper than ${MAX_JSON_DEPTH} levels`);
  }
  return value;
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

/** The media type of a `Content-Type`, in lower case and without parameters. */
export function mediaType(contentType: string | null): string {
  if (contentType === null) return "";
  const end = contentType.indexOf(";");
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** True for `application/json` and its kin (RFC 6839, section 3.1). */
export function isJsonType(type: string): boolean {
  return type === "application/json" || type === "text/json" || type.endsWith("+json");
}

function tooLarge(limitBytes: number): MillraceError {
  return new MillraceError("body_too_large", `The body is larger than ${limitBytes} bytes`, {
    extensions: { limitBytes },
    // What is left of the body is not read, so the connection cannot carry another request.
    headers: { connection: "close" },
  });
}

function notJson(contentType: string): MillraceError {
  return new MillraceError(
    "unsupported_media_type",
    `Expected the content type "application/json": received "${contentType}"`,
  );
}
