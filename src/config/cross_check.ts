/**
 * What settings must not be together.
 */
import { ROLES, type SettingValues } from "./settings.ts";

/** Faults of settings that are valid each but not together; a setting with a fault of its own is passed over. */
export function crossCheck(
  values: Partial<SettingValues>,
  { env, redis }: { env: Readonly<Record<string, string | undefined>>; redis: unknown },
): string[] {
  const { ROLES: roles, HOST: host, API_TOKENS: tokens, ENCRYPTION_KEYS: keys, SESSION_ENCRYPT: parts } = values;
  const faults: string[] = [];
  if (redis === undefined && roles !== undefined && roles.size < ROLES.length) {
    faults.push(
      `ROLES is "${[...roles].join()}" but there is no Redis: another process cannot share this one's memory, so ` +
        `set REDIS_URL, or ROLES=${ROLES}`,
    );
  }
  const { PROCESSES: processes, REDIS_FALLBACK: fallback } = values;
  if (typeof processes === "number" && processes > 1) {
    if (redis === undefined) {
      faults.push(
        `PROCESSES is "${processes}" but there is no Redis: another process cannot share this one's memory, so set ` +
          "REDIS_URL, or PROCESSES=1",
      );
    } else if (fallback === "memory") {
      faults.push(
        `PROCESSES is "${processes}" but REDIS_FALLBACK is "memory": what one process keeps, another on the port ` +
          "cannot tell, so set PROCESSES=1, or REDIS_FALLBACK=reject",
      );
    }
  }
  if (roles?.has("http") && tokens?.length === 0 && host !== undefined && !isLoopback(host)) {
    faults.push(
      `HOST is "${host}" but API_TOKENS is empty: set API_TOKENS to one or more secrets, or HOST=127.0.0.1`,
    );
  }
  if (keys?.length === 0 && parts !== undefined && parts.length > 0) {
    faults.push("SESSION_ENCRYPT is set but ENCRYPTION_KEYS is empty: set both, or none");
  }
  if (keys !== undefined && new Set(keys.map(({ id }) => id)).size < keys.length) {
    faults.push("ENCRYPTION_KEYS has two keys of one id: each needs an id of its own");
  }
  const { BODIES_LIMIT_BYTES: bodies = Infinity } = values;
  for (const name of ["BODY_LIMIT_BYTES", "IMPORT_LIMIT_BYTES"] as const) {
    if ((values[name] ?? 0) <= bodies) continue;
    faults.push(`${name} is larger than BODIES_LIMIT_BYTES, "${bodies}": no body of that size would ever be taken`);
  }
  const unset = values.SECRETS?.filter((name) => !env[name]) ?? [];
  if (unset.length > 0) faults.push(`SECRETS names ${unset.join(", ")}, which the environment does not have`);
  return faults;
}

function isLoopback(host: string): boolean {
  return /^(localhost|\[?::1\]?|127(\.\d{1,3}){3})$/i.test(host);
}
