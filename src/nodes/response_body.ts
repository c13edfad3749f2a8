/**
 * Reading the body of an answer: bounded in bytes, and as what its content type says.
 */
import { encodeBase64 } from "../lib/base64.ts";
import { readBounded } from "../lib/bounded_body.ts";
import { charsetOf, isJsonType, isTextType, mediaType } from "../lib/content_type.ts";
import { TerminalError } from "../lib/errors.ts";
import { checkJson, type JsonValue } from "../lib/json.ts";
import type { NodeContext } from "../workflow/definition.ts";

/** How long a body has to take until it is told how far it is, in milliseconds. */
const QUICK_MS = 500;

/** How a body is read. */
export interface ReadBodyOptions {
  /** The largest body, in bytes. */
  readonly maxBytes: number;
  /** Ends the reading; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Told how far a body is that takes long; default nobody. */
  readonly progress?: NodeContext["progress"] | undefined;
}

/** Reads a whole body. Throws `response_too_large` past `maxBytes`, and the signal's reason when it aborts. */
export function readBody(response: Response, options: ReadBodyOptions): Promise<Uint8Array> {
  const { maxBytes: limitBytes, signal, progress } = options;
  const tooLarge = () => new TerminalError("response_too_large", `The answer has more than ${limitBytes} bytes`);
  const onPart = progress && reporter(response.headers, progress);
  return readBounded(response.body, { limitBytes, signal, tooLarge, ...(onPart && { onPart }) });
}

/** Reports `{receivedBytes, totalBytes?}`, and the percentage where the answer says how much there is. */
function reporter(headers: Headers, progress: NodeContext["progress"]): (bytes: number) => void {
  const length = headers.get("content-length") ?? "";
  // What is encoded has another length than what is read of it (RFC 9110, section 8.6).
  const totalBytes = /^[1-9]\d{0,14}$/.test(length) && !headers.has("content-encoding") ? Number(length) : undefined;
  const reportsFrom = performance.now() + QUICK_MS;
  let receivedBytes = 0;
  return (bytes) => {
    receivedBytes += bytes;
    if (performance.now() < reportsFrom) return;
    progress({
      ...(totalBytes !== undefined && { percent: Math.floor(100 * receivedBytes / totalBytes) }),
      data: { receivedBytes, ...(totalBytes !== undefined && { totalBytes }) },
    });
  };
}

/**
 * JSON by its content type, text as a string, nothing as `null`, else `{base64}`.
 *
 * @throws {TerminalError} `response_too_deep`, or `output_not_json` for a number that would be null in the log
 */
export function parseBody(bytes: Uint8Array, headers: Headers): JsonValue {
  if (bytes.byteLength === 0) return null;
  const contentType = headers.get("content-type");
  const type = mediaType(contentType);
  if (isJsonType(type)) {
    const text = new TextDecoder().decode(bytes);
    let value: JsonValue;
    try {
      value = JSON.parse(text);
    } catch {
      // Not JSON in spite of its type: text.
      return text;
    }
    const fault = checkJson(value);
    if (fault === undefined) return value;
    throw fault === "not_json"
      ? new TerminalError("output_not_json", "The answer has a number that is larger than a double can be")
      : new TerminalError("response_too_deep", "The answer is JSON that is nested too deeply");
  }
  if (isTextType(type) || MORE_TEXT.has(type)) return decoderFor(contentType!).decode(bytes);
  return { base64: encodeBase64(bytes) };
}

const MORE_TEXT: ReadonlySet<string> = new Set(["application/javascript", "application/x-www-form-urlencoded"]);

/** Decodes as UTF-8 where the charset is missing or unknown; malformed bytes become U+FFFD. */
function decoderFor(contentType: string): TextDecoder {
  try {
    return new TextDecoder(charsetOf(contentType));
  } catch {
    return new TextDecoder();
  }
}
