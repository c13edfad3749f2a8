/**
 * Ranges of IP addresses, and the address that a request comes from.
 *
 * An IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) is its IPv4 address: sockets that listen on both show it so.
 *
 * @example
 * ```ts
 * const trusted = [parseRange("10.0.0.0/8")!];
 * clientAddress("::ffff:10.0.0.7", { forwarded: "1.1.1.1, 203.0.113.9", trusted }); // "203.0.113.9"
 * ```
 */
import ipaddr from "ipaddr.js";

type Address = ReturnType<typeof ipaddr.parse>;

/** A range of addresses: one of them, and the number of leading bits that all share. */
export type AddressRange = readonly [Address, number];

/** IPv4 as four decimals or IPv6, without octal, hexadecimal and short forms: they are read differently elsewhere. */
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:.]*)$/i;
const MAPPED_BITS = 96;

/** The range that a CIDR (RFC 4632) or a single address names; `undefined` for any other text. */
export function parseRange(text: string): AddressRange | undefined {
  const [, host = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (!ADDRESS.test(host) || !ipaddr.isValid(host)) return undefined;
  const address = ipaddr.parse(host);
  const most = address.kind() === "ipv4" ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  if (bits > most) return undefined;
  const plain = ipaddr.process(host);
  if (plain.kind() === address.kind()) return [address, bits];
  return bits < MAPPED_BITS ? [address, bits] : [plain, bits - MAPPED_BITS];
}

/** Whether an address, as text, lies in one of the ranges; nothing that is no address does. */
export function isInRanges(text: string, ranges: readonly AddressRange[]): boolean {
  const address = parseAddress(text);
  return address !== undefined &&
    ranges.some(([first, bits]) => first.kind() === address.kind() && address.match(first as never, bits));
}

/**
 * Where a request comes from. `X-Forwarded-For` is read from the right, where each proxy adds whom it was called by,
 * for as long as the one who says so is trusted: what stands further left is only what a stranger says.
 *
 * @param peer the address of the connection
 * @returns the address, or what stands in its place: it lies in no range
 */
export function clientAddress(
  peer: string,
  { forwarded, trusted }: { forwarded: string | null; trusted: readonly AddressRange[] },
): string {
  const hops = forwarded?.split(",") ?? [];
  let address = peer;
  while (hops.length > 0 && isInRanges(address, trusted)) address = withoutPort(hops.pop()!.trim());
  return address;
}

/** Some proxies write the port too. */
function withoutPort(text: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d{1,3}(?:\.\d{1,3}){3}):\d+$/.exec(text)?.[1] ?? text;
}

function parseAddress(text: string): Address | undefined {
  // The zone of a link-local address (RFC 4007, section 11) is the business of this machine.
  const [plain = ""] = text.split("%");
  return ADDRESS.test(plain) && ipaddr.isValid(plain) ? ipaddr.process(plain) : undefined;
}
