import { test } from "uvu";
import * as assert from "uvu/assert";
import { SETTINGS } from "../../src/config/settings.ts";
import { STORE_DEFAULTS } from "../../src/storage/store_rules.ts";

test("STORE_DEFAULTS are the defaults of the settings", () => {
  const {
    MAX_WAITERS,
    QUEUE_LIMIT,
    MAX_DELIVERIES,
    LOG_LIMIT_BYTES,
    HISTORY_TTL_SECONDS,
    CACHE_LIMIT_BYTES,
    MAILBOX_LIMIT,
    MAILBOX_LIMIT_BYTES,
    AUDIT_LIMIT,
  } = SETTINGS;
  assert.equal(STORE_DEFAULTS, {
    maxWaiters: Number(MAX_WAITERS.default),
    queueLimit: Number(QUEUE_LIMIT.default),
    maxDeliveries: Number(MAX_DELIVERIES.default),
    logLimitBytes: Number(LOG_LIMIT_BYTES.default),
    historyTtlSeconds: Number(HISTORY_TTL_SECONDS.default),
    cacheLimitBytes: Number(CACHE_LIMIT_BYTES.default),
    mailboxEntries: Number(MAILBOX_LIMIT.default),
    mailboxBytes: Number(MAILBOX_LIMIT_BYTES.default),
    auditLimit: Number(AUDIT_LIMIT.default),
  });
});

test.run();
