import { test } from "uvu";
import * as assert from "uvu/assert";
import { clientAddress, isInRanges, parseRange } from "../../src/lib/address_ranges.ts";

const ranges = (...texts: string[]) => texts.map((text) => parseRange(text)!);

test("parseRange() takes CIDRs and addresses, and nothing that is read differently elsewhere", () => {
  for (const text of ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4", "::/0", "2001:db8::/32", "::1", "::ffff:10.0.0.0/104"]) {
    assert.ok(parseRange(text), text);
  }
  for (
    const text of [
      "",
      "10",
      "10.1",
      "0x7f.0.0.1",
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "10.0.0.0/-1",
      "a",
      "1.2.3.4/8/8",
    ]
  ) {
    assert.is(parseRange(text), undefined, text);
  }
});

test("isInRanges() takes an IPv4-mapped address for its IPv4 address", () => {
  const allow = ranges("10.0.0.0/8", "2001:db8::/32", "::ffff:192.168.0.0/112");
  for (const text of ["10.9.9.9", "::ffff:10.1.2.3", "::FFFF:a01:203", "2001:db8:1::1", "192.168.3.4"]) {
    assert.ok(isInRanges(text, allow), text);
  }
  for (
    const text of ["11.0.0.1", "::ffff:11.0.0.1", "2001:db9::1", "192.169.0.1", "", "unknown", "10.1", "010.0.0.1x"]
  ) {
    assert.not.ok(isInRanges(text, allow), text);
  }
  assert.ok(isInRanges("fe80::1%eth0", ranges("fe80::/10")));
});

test("clientAddress() believes X-Forwarded-For only as far as trusted proxies wrote it", () => {
  const trusted = ranges("10.0.0.0/8", "fd00::/8");
  const cases: [peer: string, forwarded: string | null, expected: string][] = [
    ["203.0.113.9", null, "203.0.113.9"],
    ["203.0.113.9", "10.0.0.1", "203.0.113.9"],
    ["10.0.0.1", null, "10.0.0.1"],
    ["10.0.0.1", "203.0.113.9", "203.0.113.9"],
    ["::ffff:10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"],
    ["10.0.0.1", "1.1.1.1, 203.0.113.9,10.0.0.2", "203.0.113.9"],
    ["fd00::1", "[2001:db8::7]:443", "2001:db8::7"],
    ["10.0.0.1", "203.0.113.9:5123", "203.0.113.9"],
    ["10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["10.0.0.1", "1.1.1.1, unknown", "unknown"],
    ["10.0.0.1", "1.1.1.1,", ""],
    ["10.0.0.1", "", ""],
  ];
  for (const [peer, forwarded, expected] of cases) {
    assert.is(clientAddress(peer, { forwarded, trusted }), expected, `${peer} ${forwarded}`);
  }
});

test.run();
