/**
 * The audit on Redis: one stream, which keeps the newest.
 */
import type { AuditBatch, AuditEntry, AuditLog, AuditPage, AuditQuery } from "../../audit/audit_log.ts";
import { isEntryId } from "../../lib/entry_id.ts";
import { invalidCursor } from "../store_rules.ts";
import { auditEntries, auditWriter } from "./audit_keys.ts";
import type { RedisConnection, Reply } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { resend } from "./resend.ts";
import { appendAudit } from "./scripts/append_audit.ts";
import { parseEntries, type StreamEntry } from "./streams/stream_replies.ts";

/** How many entries are read at once, and how many one page looks at, where it is for one token. */
const READ = 1000;
const LOOKED_AT = 10_000;

/** What the audit is kept over. */
export interface RedisAuditOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** How many entries are kept; up to about a hundred more. */
  readonly limit: number;
}

/** {@linkcode AuditLog} on Redis. */
export class RedisAudit implements AuditLog {
  readonly #options: RedisAuditOptions;

  constructor(options: RedisAuditOptions) {
    this.#options = options;
  }

  async append({ writer, number, records }: AuditBatch): Promise<void> {
    const { keys, commands, limit } = this.#options;
    await resend(commands, () =>
      appendAudit(commands, {
        keys: { audit: auditEntries(keys), writer: auditWriter(keys, writer) },
        number,
        limit,
        records: records.map(({ token, ...rest }) => ({ token, rest: JSON.stringify(rest) })),
      }));
  }

  async list({ limit, cursor, token }: AuditQuery): Promise<AuditPage> {
    if (cursor !== undefined && !isEntryId(cursor)) throw invalidCursor(cursor);
    const found: AuditEntry[] = [];
    let before = cursor;
    const count = token === undefined ? limit + 1 : READ;
    for (let looked = 0; looked < LOOKED_AT; looked += count) {
      const entries = await this.#read(before, count);
      for (const entry of entries) {
        if (found.length === limit) return { entries: found, nextCursor: found.at(-1)!.id };
        if (token === undefined || entry.fields.get("token") === token) found.push(decode(entry));
      }
      before = entries.at(-1)?.id;
      if (entries.length < count || before === undefined) return { entries: found };
    }
    return { entries: found, nextCursor: before! };
  }

  async #read(before: string | undefined, count: number): Promise<StreamEntry[]> {
    const { keys, commands } = this.#options;
    const end = before === undefined ? "+" : `(${before}`;
    return parseEntries(
      await commands.send<Reply>(["XREVRANGE", auditEntries(keys), end, "-", "COUNT", String(count)]),
    );
  }
}

function decode({ id, fields }: StreamEntry): AuditEntry {
  return { id, token: fields.get("token")!, ...JSON.parse(fields.get("record")!) };
}
