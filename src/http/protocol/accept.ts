/**
 * Content negotiation by the `Accept` request header (RFC 9110, section 12.5.1).
 *
 * @example
 * ```ts
 * negotiate("text/event-stream, *\/*;q=0.1", ["application/json", "text/event-stream"]); // "text/event-stream"
 * ```
 */

/**
 * The offer with the highest quality, or `undefined` if the client accepts none. The quality of an offer is that of the
 * most specific range that matches it; `q=0` excludes it. Of equal offers the first one wins.
 */
export function negotiate<T extends string>(accept: string | null | undefined, offers: readonly T[]): T | undefined {
  if (!accept?.trim()) return offers[0];
  const ranges = accept.split(",").map(parseRange);
  let best: T | undefined;
  let bestQuality = 0;
  for (const offer of offers) {
    const quality = qualityOf(offer, ranges);
    if (quality > bestQuality) {
      best = offer;
      bestQuality = quality;
    }
  }
  return best;
}

interface Range {
  readonly type: string;
  readonly quality: number;
}

function parseRange(text: string): Range {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}

function qualityOf(offer: string, ranges: readonly Range[]): number {
  const wholeType = `${offer.slice(0, offer.indexOf("/"))}/*`;
  for (const candidate of [offer, wholeType, "*/*"]) {
    const range = ranges.find(({ type }) => type === candidate);
    if (range) return range.quality;
  }
  return 0;
}
