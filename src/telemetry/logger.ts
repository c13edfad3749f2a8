/**
 * The instance's log: one JSON object a line on standard output.
 *
 * @example
 * ```ts
 * const logger = createLogger({ level: "info", instance: "mill-1" });
 * logger.info({ port: 8080 }, "listening");
 * ```
 */
import { pino } from "pino";
import { scrub } from "../lib/credentials.ts";

/** Levels from the most severe to the least; `silent` logs nothing. */
export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** The least severe level that is logged. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes one line: fields, then a message. */
export type LogLine = (fields: object, message: string) => void;

/** The logger as the rest of the code sees it. */
export interface Logger {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}

/** Options of {@linkcode createLogger}. */
export interface LoggerOptions {
  /** The least severe level that is logged. Required. */
  readonly level: LogLevel;
  /** Name of the instance, a field of every line. Required. */
  readonly instance: string;
}

/** Batching window of lines, in milliseconds. */
const FLUSH_EVERY_MS = 100;
/** Size of a batch that is written at once, in bytes. */
const BUFFER_BYTES = 4096;

/**
 * Makes a logger. Lines are gathered for at most 100 ms, so that thousands a second cost few writes; what is gathered
 * is written when the process exits, uncaught errors included. Only a kill that cannot be caught loses them. Writes are
 * synchronous, as Node's own to pipes are: one that is still in a thread's hands when the process exits would be lost.
 * `authorization` and `cookie` headers are never written, nor what is secret in an error's message.
 */
export function createLogger({ level, instance }: LoggerOptions): Logger {
  const destination = pino.destination({
    dest: 1,
    sync: true,
    minLength: BUFFER_BYTES,
    periodicFlush: FLUSH_EVERY_MS,
  });
  process.on("exit", () => destination.flushSync());
  return pino({
    level,
    base: { instance },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: ["authorization", "cookie", "headers.authorization", "headers.cookie"],
    serializers: { error: serializeError },
  }, destination);
}

/** An error with its causes, redacted: message and stack may hold a URL with a password. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === "string" ? scrub(error) : error;
  const serialized = pino.stdSerializers.err(error);
  const stack = serialized.stack.split("\n").map(scrub).join("\n");
  return { ...serialized, message: scrub(serialized.message), stack };
}
