/**
 * Rules that name hosts which may be called, though their addresses are not public.
 *
 * @example
 * ```ts
 * parseHostRule("files.example:8443"); // { host: "files.example", port: 8443, range: undefined }
 * ```
 */
import ipaddr from "ipaddr.js";
import { type Address, unwrap } from "./public_address.ts";

/** What a rule names. */
export interface HostRule {
  /** Lower case, without brackets. */
  readonly host: string;
  /** The only port; `undefined` for all. */
  readonly port: number | undefined;
  /** The addresses: one of them, and the number of leading bits that all share; `undefined` for a name. */
  readonly range: [Address, number] | undefined;
}

/** An IPv6 address in brackets, a name or an IPv4 address, each with a port or without; or an IPv6 address alone. */
const HOST = /^(?:(?:\[([0-9a-f:.]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?|([0-9a-f:.]*:[0-9a-f:.]*))$/i;

/** Parses `name`, `address` or `address/bits`, each but the last also with `:port`; `undefined` for any other text. */
export function parseHostRule(text: string): HostRule | undefined {
  if (text.includes("/")) return parseCidr(text.toLowerCase());
  const [, bracketed, plain, digits, bare] = HOST.exec(text) ?? [];
  const host = (bracketed ?? plain ?? bare)?.toLowerCase();
  const port = digits === undefined ? undefined : Number(digits);
  if (host === undefined || (port !== undefined && (port < 1 || port > 65535))) return undefined;
  if (!ipaddr.isValid(host)) return host.includes(":") ? undefined : { host, port, range: undefined };
  const address = unwrap(ipaddr.parse(host));
  return { host, port, range: [address, address.kind() === "ipv6" ? 128 : 32] };
}

function parseCidr(host: string): HostRule | undefined {
  if (!ipaddr.isValidCIDR(host)) return undefined;
  const [address, bits] = ipaddr.parseCIDR(host);
  const inner = unwrap(address);
  // A range of IPv4-mapped addresses stands for the IPv4 range.
  return { host, port: undefined, range: inner === address || bits < 96 ? [address, bits] : [inner, bits - 96] };
}
