/**
 * Reading the body of an answer: bounded in bytes, and as what its content type says.
 */
import { encodeBase64 } from "../lib/base64.ts";
import { TerminalError } from "../lib/errors.ts";
import { checkJson, type JsonValue } from "../lib/json.ts";

/** Reads a whole body. Throws `response_too_large` past `maxBytes`, and the signal's reason when it aborts. */
export async function readBody(
  response: Response,
  options: { maxBytes: number; signal: AbortSignal },
): Promise<Uint8Array> {
  const { maxBytes, signal } = options;
  if (response.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body.getReader();
  // Not every runtime ends a read of a body whose call was aborted (seen with Deno 2.9): cancelling it does.
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) break;
      size += value.byteLength;
      if (size > maxBytes) {
        await reader.cancel();
        throw new TerminalError("response_too_large", `The answer has more than ${maxBytes} bytes`);
      }
      chunks.push(value);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  const bytes = new Uint8Array(size);
  let position = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, position);
    position += chunk.byteLength;
  }
  return bytes;
}

/** JSON by its content type, text as a string, nothing as `null`, else `{base64}`. */
export function parseBody(bytes: Uint8Array, headers: Headers): JsonValue {
  if (bytes.byteLength === 0) return null;
  const contentType = headers.get("content-type") ?? "";
  const [mediaType = ""] = contentType.toLowerCase().split(";", 1);
  const isJson = /^application\/(.+\+)?json\s*$/.test(mediaType);
  if (isJson) {
    try {
      const value = JSON.parse(new TextDecoder().decode(bytes)) as JsonValue;
      if (checkJson(value) === undefined) return value;
    } catch {
      // What only claims to be JSON is still text.
      return new TextDecoder().decode(bytes);
    }
    throw new TerminalError("response_too_deep", "The answer is JSON that is nested too deeply");
  }
  if (/^text\/|^application\/(.+\+)?xml\s*$|^application\/(x-www-form-urlencoded|javascript)\s*$/.test(mediaType)) {
    return decoderFor(contentType).decode(bytes);
  }
  return { base64: encodeBase64(bytes) };
}

function decoderFor(contentType: string): TextDecoder {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1];
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}
