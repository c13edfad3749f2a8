/**
 * Reading the body of an answer: bounded in bytes, and as what its content type says.
 */
import { encodeBase64 } from "../lib/base64.ts";
import { readBounded } from "../lib/bounded_body.ts";
import { charsetOf, isJsonType, isTextType, mediaType } from "../lib/content_type.ts";
import { TerminalError } from "../lib/errors.ts";
import { checkJson, type JsonValue } from "../lib/json.ts";

/** Reads a whole body. Throws `response_too_large` past `maxBytes`, and the signal's reason when it aborts. */
export function readBody(response: Response, options: { maxBytes: number; signal: AbortSignal }): Promise<Uint8Array> {
  const { maxBytes: limitBytes, signal } = options;
  const tooLarge = () => new TerminalError("response_too_large", `The answer has more than ${limitBytes} bytes`);
  return readBounded(response.body, { limitBytes, signal, tooLarge });
}

/** JSON by its content type, text as a string, nothing as `null`, else `{base64}`. */
export function parseBody(bytes: Uint8Array, headers: Headers): JsonValue {
  if (bytes.byteLength === 0) return null;
  const contentType = headers.get("content-type");
  const type = mediaType(contentType);
  if (isJsonType(type)) {
    try {
      const value = JSON.parse(new TextDecoder().decode(bytes)) as JsonValue;
      if (checkJson(value) === undefined) return value;
    } catch {
      // Not JSON in spite of its type: text.
      return new TextDecoder().decode(bytes);
    }
    throw new TerminalError("response_too_deep", "The answer is JSON that is nested too deeply");
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
