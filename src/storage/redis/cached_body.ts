/**
 * Bodies of cached responses on Redis, written and read piece by piece.
 */
import { UnavailableError } from "../../lib/errors.ts";
import type { RedisConnection } from "./connection/connection.ts";

/** A body up to so many bytes stands with its response; a larger one is read and written in such pieces. */
const INLINE_BYTES = 8192;
const PIECE_BYTES = 262_144;
/** How long a body may take from one piece to the next while it is written, in milliseconds. */
const WRITING_MS = 60_000;

/** Where a body is written, and by what leave. */
export interface BodyWriting {
  readonly connection: RedisConnection;
  /** A name that nobody knows yet. */
  readonly key: string;
  /** Called with the bytes that come next, before they are written. Throws when there is no room for them. */
  readonly makeRoom: (bytes: number) => void;
}

/** A body that was written, or is small. */
export interface WrittenBody {
  readonly bytes: number;
  /** The body itself, if it is small: then nothing was written. */
  readonly inline?: Uint8Array;
}

/**
 * Writes a body under a name that expires unless its response is stored. When the body fails, nothing is left, or
 * expires.
 */
export async function writeBody(
  body: AsyncIterable<Uint8Array>,
  { connection, key, makeRoom }: BodyWriting,
): Promise<WrittenBody> {
  let pending: Uint8Array[] = [];
  let waiting = 0;
  let written = 0;
  const flush = async () => {
    // Made with its time to live: whatever breaks from here on, it goes.
    if (written === 0) await connection.send(["SET", key, "", "PX", String(WRITING_MS)]);
    written += waiting;
    const piece = Buffer.concat(pending);
    pending = [];
    waiting = 0;
    await Promise.all([
      connection.send(["APPEND", key, piece]),
      connection.send(["PEXPIRE", key, String(WRITING_MS)]),
    ]);
  };
  try {
    for await (const chunk of body) {
      makeRoom(chunk.length);
      pending.push(chunk);
      waiting += chunk.length;
      if (waiting >= PIECE_BYTES) await flush();
    }
    if (written === 0 && waiting <= INLINE_BYTES) return { bytes: waiting, inline: Buffer.concat(pending) };
    if (waiting > 0) await flush();
    return { bytes: written };
  } catch (error) {
    if (written > 0) await connection.send(["UNLINK", key]).catch(() => {});
    throw error;
  }
}

/** Where a body stands: in a string of its own, or in a field beside its response. */
export type BodyPlace =
  | { readonly key: string; readonly bytes: number }
  | { readonly key: string; readonly field: string };

/** Reads a body, a piece whenever one is wanted. */
export function readBody(connection: RedisConnection, place: BodyPlace): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      const { key } = place;
      const command = "field" in place
        ? ["HGET", key, place.field]
        : ["GETRANGE", key, String(at), String(at + PIECE_BYTES - 1)];
      const piece = "bytes" in place && at >= place.bytes ? undefined : await connection.sendForBytes(command);
      if (piece === null || ("bytes" in place && piece?.length === 0)) {
        throw new UnavailableError("The cached body went while it was read");
      }
      at += piece?.length ?? 0;
      if (piece !== undefined && piece.length > 0) controller.enqueue(Uint8Array.from(piece));
      if (!("bytes" in place) || at >= place.bytes) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** A body that is there. */
export function streamOf(piece: Uint8Array): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      if (piece.length > 0) controller.enqueue(Uint8Array.from(piece));
      controller.close();
    },
  });
}
