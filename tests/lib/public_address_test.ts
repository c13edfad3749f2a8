import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isPublic, unwrap } from "../../src/lib/public_address.ts";

/** Every way to write that an IPv6 address leads to an IPv4 one. */
const WAYS: Record<string, (hex: string) => string> = {
  mapped: (hex) => `::ffff:${hex}`,
  compatible: (hex) => `::${hex}`,
  translated: (hex) => `::ffff:0:${hex}`,
  NAT64: (hex) => `64:ff9b::${hex}`,
  "6to4": (hex) => `2002:${hex}::1`,
  Teredo: (hex) => `2001:0:${hex}::1`,
};

const hexOf = (v4: readonly number[]) => [0, 2].map((at) => ((v4[at]! << 8) | v4[at + 1]!).toString(16)).join(":");

const v4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).filter(([a, b]) => a > 0 || b > 0);

test("unwrap() gives the address that any other leads to", () => {
  fc.assert(fc.property(v4, (bytes) => {
    for (const [way, write] of Object.entries(WAYS)) {
      assert.is(unwrap(ipaddr.parse(write(hexOf(bytes)))).toString(), bytes.join("."), way);
    }
  }));
  for (const own of ["::1", "::", "2606:4700::1111", "fe80::1", "10.0.0.1"]) {
    assert.is(unwrap(ipaddr.parse(own)).toString(), own);
  }
});

test("isPublic() is true for no address that leads to one which is not", () => {
  fc.assert(fc.property(v4, (bytes) => {
    const inner = isPublic(bytes.join("."));
    for (const [way, write] of Object.entries(WAYS)) {
      const address = write(hexOf(bytes));
      if (isPublic(address)) assert.ok(inner && !["6to4", "Teredo"].includes(way), address);
    }
  }));
});

test("isPublic() is false for what is local in clouds, however it is written", () => {
  for (const bytes of [[168, 63, 129, 16], [100, 100, 100, 200], [169, 254, 169, 254], [127, 0, 0, 1], [10, 0, 0, 1]]) {
    assert.not.ok(isPublic(bytes.join(".")));
    for (const write of Object.values(WAYS)) assert.not.ok(isPublic(write(hexOf(bytes))), write(hexOf(bytes)));
  }
  assert.not.ok(isPublic("::ffff:168.63.129.16"));
  for (const other of ["fd00:ec2::254", "FD00:0EC2:0::0254", "fd20:ce::254", "::", "::1", "fe80::1%eth0"]) {
    assert.not.ok(isPublic(other), other);
  }
});

test("isPublic() is true for the internet, through NAT64 too", () => {
  for (const address of ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]) {
    assert.ok(isPublic(address), address);
  }
});

test.run();
