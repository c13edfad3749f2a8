/**
 * Response bodies of text that is produced while it is sent.
 *
 * @example
 * ```ts
 * return new Response(textStream(lines()), { headers: { "content-type": "application/x-ndjson" } });
 * ```
 */

/**
 * Makes a body of pieces of text. The next piece is requested when the client has read those before it (backpressure).
 * When the client disconnects, `onCancel` is called and the source's `return()`, which does nothing if it has not
 * started. An error of the source breaks off the body.
 */
export function textStream(
  source: AsyncIterable<string>,
  options: { onCancel?: () => void } = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const pieces = source[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel() {
      options.onCancel?.();
      // Not awaited: a busy source ends at its next piece.
      pieces.return?.()?.catch(() => {});
    },
  }, { highWaterMark: 0 });
}
