/**
 * A `fetch` for public addresses only: loopback, private, link-local and other special addresses
 * (https://www.iana.org/assignments/iana-ipv4-special-registry) are refused unless they are listed.
 *
 * The check is made where the connection is made, on the very address that is connected to. So the spelling of an
 * address, a second resolution of a name, and redirects cannot get around it.
 */
import { lookup as systemLookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import undici from "undici";
import { TerminalError } from "../lib/errors.ts";
import { type HostRule, parseHostRule } from "../lib/host_rule.ts";
import { isPublic, unwrap } from "../lib/public_address.ts";
import { OriginPools } from "./origin_pools.ts";

/** The most origins to which connections are kept. */
const MAX_ORIGINS = 256;

/**
 * How long making a connection may take, in milliseconds. The caller's signal ends the wait for it, but not the
 * connection, which would stay for as long as somebody says nothing to its TLS.
 */
const CONNECT_MS = 10_000;

/** Options of {@linkcode createGuardedFetch}. */
export interface GuardedFetchOptions {
  /**
   * Special addresses that may be called: `name`, `address`, `address/bits`, each but the last also with `:port`.
   * Required.
   */
  readonly allow: readonly string[];
  /** Resolves names. Default the system's resolver. */
  readonly lookup?: LookupFunction;
}

/**
 * Makes a `fetch` that fails with a `TerminalError` `http_blocked` as cause when it would leave the public internet.
 * Once it is connected, a call takes as long as its signal lets it.
 *
 * @throws {TypeError} for a rule that `parseHostRule` refuses
 */
export function createGuardedFetch(options: GuardedFetchOptions): typeof globalThis.fetch {
  const rules = options.allow.map(ruleOf);
  const lookup = options.lookup ?? systemLookup as LookupFunction;
  const connectorOf = (lookup: LookupFunction) => undici.buildConnector({ lookup, timeout: CONNECT_MS });
  const connectAnywhere = connectorOf(lookup);
  const connect: undici.buildConnector.connector = (target, callback) => {
    const hostname = target.hostname.replace(/^\[|\]$/g, "").toLowerCase();
    const port = Number(target.port) || (target.protocol === "https:" ? 443 : 80);
    if (rules.some((rule) => rule.host === hostname && matchesPort(rule, port))) {
      return connectAnywhere(target, callback);
    }
    const isAllowed = (address: string) => isPublic(address) || isListed(address, { rules, port });
    // A literal address is connected to without a lookup.
    if (ipaddr.isValid(hostname)) {
      if (!isAllowed(hostname)) return callback(blocked(hostname), null);
      return connectAnywhere(target, callback);
    }
    return connectorOf(guardLookup(lookup, isAllowed))(target, callback);
  };
  const open = (origin: string) => new undici.Pool(origin, { connect, headersTimeout: 0, bodyTimeout: 0 });
  const dispatcher = new OriginPools({ max: MAX_ORIGINS, open });
  // undici's own: the built-in fetch of some runtimes takes no dispatcher.
  const guarded = (input: string, init?: undici.RequestInit) => undici.fetch(input, { ...init, dispatcher });
  return guarded as unknown as typeof globalThis.fetch;
}

/** A lookup that returns only the addresses that may be called. */
function guardLookup(lookup: LookupFunction, isAllowed: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = (found as unknown as LookupAddress[]).filter(({ address }) => isAllowed(address));
      const [first] = addresses;
      if (first === undefined) return callback(blocked(hostname), []);
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function blocked(host: string): TerminalError {
  return new TerminalError(
    "http_blocked",
    "Cannot call an address that is not public",
    { detail: `Cannot call "${host}": its address is not public, and not listed in HTTP_ALLOW` },
  );
}

function ruleOf(text: string): HostRule {
  const rule = parseHostRule(text);
  if (rule === undefined) throw new TypeError(`Cannot allow "${text}": it must be a name, an address or a range`);
  return rule;
}

function matchesPort(rule: HostRule, port: number): boolean {
  return rule.port === undefined || rule.port === port;
}

function isListed(text: string, options: { rules: readonly HostRule[]; port: number }): boolean {
  const address = unwrap(ipaddr.parse(text));
  return options.rules.some(({ range, ...rule }) =>
    range !== undefined && matchesPort({ ...rule, range }, options.port) && address.kind() === range[0].kind() &&
    address.match(range as [never, number])
  );
}
