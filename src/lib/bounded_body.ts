/**
 * Reads a body of bytes as a whole, up to a limit: for what comes in and for the answers to what goes out.
 *
 * @example
 * ```ts
 * const bytes = await readBounded(response.body, { limitBytes: 4_194_304, signal, tooLarge: () => new Error("too large") });
 * ```
 */

/** The size at which the buffer begins, in bytes, at most. */
const BEGINNING_BYTES = 65_536;

/** What {@linkcode readBounded} takes. */
export interface BoundedReadOptions {
  /** The largest body, in bytes. */
  readonly limitBytes: number;
  /** How many bytes are said to come; unknown by default. */
  readonly expectedBytes?: number | undefined;
  /** Makes the error for a larger one. */
  readonly tooLarge: () => Error;
  /** Ends the read; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Told the size of each part before it is kept; what it throws ends the read. */
  readonly onPart?: (bytes: number) => void;
}

/** Reads to the end; a body of `null` is empty. On every other way out the rest of the body is cancelled. */
export async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  options: BoundedReadOptions,
): Promise<Uint8Array> {
  const { limitBytes, expectedBytes = BEGINNING_BYTES, tooLarge, signal, onPart } = options;
  if (body === null) return new Uint8Array();
  // One buffer that grows: each of a million parts of a byte would cost a hundred as an object.
  let bytes = new Uint8Array(Math.min(expectedBytes, BEGINNING_BYTES, limitBytes));
  let length = 0;
  const reader = body.getReader();
  // Not awaited: what does not come may not answer this either.
  const cancel = () => void reader.cancel(signal.reason).catch(() => {});
  // Not every runtime ends a read whose call was aborted (seen with Deno 2.9): cancelling it does.
  signal.addEventListener("abort", cancel, { once: true });
  try {
    signal.throwIfAborted();
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return bytes.subarray(0, length);
      if (length + value.length > limitBytes) throw tooLarge();
      onPart?.(value.length);
      if (length + value.length > bytes.length) {
        const grown = new Uint8Array(Math.min(limitBytes, 2 * (length + value.length)));
        grown.set(bytes.subarray(0, length));
        bytes = grown;
      }
      bytes.set(value, length);
      length += value.length;
    }
  } catch (error) {
    cancel();
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
