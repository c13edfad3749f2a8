/**
 * Text that is made while it is sent, as the body of a response.
 *
 * @example
 * ```ts
 * return new Response(textStream(lines()), { headers: { "content-type": "application/x-ndjson" } });
 * ```
 */

/**
 * Makes a body of pieces of text. A piece is asked for when the client has taken those before it (backpressure); when
 * it goes, `onCancel` is called and the source returned from, which does nothing if it never began. What the source throws breaks the body off.
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
      // Not awaited: a source that is at work sees it at its next piece.
      pieces.return?.()?.catch(() => {});
    },
  }, { highWaterMark: 0 });
}
