/**
 * Tells public addresses from others, and finds the address that is embedded in another.
 *
 * @example
 * ```ts
 * isPublic("64:ff9b::a00:1"); // false: it leads to 10.0.0.1
 * ```
 */
import ipaddr from "ipaddr.js";

/** An address, parsed. */
export type Address = ReturnType<typeof ipaddr.parse>;

/** The IPv6 range that is assigned for global unicast (RFC 4291, section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/** Metadata services of cloud providers whose addresses count as unicast, in their shortest form. */
const METADATA: ReadonlySet<string> = new Set(["168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"]);

/** IPv6 ranges with an embedded IPv4 address, and the byte at which it begins. */
const LEADS_TO: readonly [range: ReturnType<typeof ipaddr.IPv6.parseCIDR>, at: number][] = [
  // IPv4-mapped (RFC 4291, section 2.5.5.2), IPv4-compatible (2.5.5.1), IPv4-translated (RFC 2765), NAT64 (RFC 6052).
  [ipaddr.IPv6.parseCIDR("::ffff:0:0/96"), 12],
  [ipaddr.IPv6.parseCIDR("::/96"), 12],
  [ipaddr.IPv6.parseCIDR("::ffff:0:0:0/96"), 12],
  [ipaddr.IPv6.parseCIDR("64:ff9b::/96"), 12],
  // 6to4 (RFC 3056), and Teredo's server (RFC 4380); its client follows, inverted.
  [ipaddr.IPv6.parseCIDR("2002::/16"), 2],
  [ipaddr.IPv6.parseCIDR("2001::/32"), 4],
];

/**
 * The address that traffic ends at: the IPv4 address embedded in an IPv4-mapped, -compatible or -translated one, in
 * NAT64, 6to4 or Teredo; every other address itself.
 */
export function unwrap(address: Address): Address {
  if (address.kind() === "ipv4") return address;
  // `::` and `::1` are in the range of IPv4-compatible addresses, but are not such addresses.
  const range = address.range();
  if (range === "loopback" || range === "unspecified") return address;
  const bytes = address.toByteArray();
  for (const [range, at] of LEADS_TO) {
    if (address.match(range as [never, number])) return ipaddr.fromByteArray(bytes.slice(at, at + 4));
  }
  return address;
}

/**
 * True for an address of the public internet. An address with an embedded one is public if the embedded one is, and if
 * it is mapped or NAT64: traffic to 6to4 and Teredo addresses passes through relays that anyone may run.
 */
export function isPublic(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.parse(text);
  const inner = unwrap(address);
  if (METADATA.has(inner.toString()) || inner.range() !== "unicast") return false;
  if (inner.kind() === "ipv6") return inner.match(GLOBAL_UNICAST as [never, number]);
  return inner === address || !address.match(GLOBAL_UNICAST as [never, number]);
}
