/**
 * The settings of an app under test: small limits, no tokens, no proxies.
 */
import type { AppDeps } from "../../src/http/frame/deps.ts";

/** Tests change single settings of it. */
export const APP_CONFIG: AppDeps["config"] = {
  allowedHosts: [],
  apiTokens: [],
  bodiesLimitBytes: 10_000_000,
  bodyLimitBytes: 100_000,
  bodyLimitValues: 10_000,
  bodyStallSeconds: 60,
  metricsPublic: false,
  secrets: new Map(),
  corsOrigins: [],
  followerLimitBytes: 2 ** 18,
  historyTtlSeconds: 60,
  importLimitBytes: 1_000_000,
  idempotencyTtlSeconds: 60,
  instance: "test",
  roles: new Set(["http"]),
  encryptionKeys: [],
  sessionEncrypt: [],
  sessionLimitBytes: 10_000,
  sessionTtlSeconds: 60,
  redactHeaders: [],
  trustedProxies: [],
};
