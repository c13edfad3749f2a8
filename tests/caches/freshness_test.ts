/**
 * The rules of RFC 9111 and RFC 5861, field by field.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseCacheControl } from "../../src/caches/cache_control.ts";
import { freshnessOf, type StoringOptions, usabilityOf } from "../../src/caches/freshness.ts";

const NOW = Date.parse("Thu, 26 Nov 2026 12:00:00 GMT");
const at = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString();

function stored(
  headers: Record<string, string>,
  { status = 200, request = {}, ...options }: Partial<StoringOptions> & {
    status?: number;
    request?: Record<string, string>;
  } = {},
) {
  return freshnessOf({ headers: new Headers(request) }, { status, headers: new Headers(headers) }, {
    now: NOW,
    defaultLifetime: 100,
    anyStatus: false,
    ...options,
  });
}

const fresh = (lifetime: number, { age = 0, staleFor = 0 } = {}) => ({ age, lifetime, staleFor });

test("parseCacheControl() reads names in any case, quoted arguments, and odd commas", () => {
  const read = parseCacheControl(
    ` Max-Age="60" ,, NO-store,private="set-cookie, x" , foo=bar, stale-while-revalidate=5`,
  );
  assert.is(read.maxAge, 60);
  assert.is(read.staleWhileRevalidate, 5);
  assert.ok(read.noStore && read.isPrivate);
  assert.not(read.noCache || read.isPublic || read.mustRevalidate);
  assert.is(parseCacheControl(null).maxAge, undefined);
  // Quoted text is no directive.
  assert.not(parseCacheControl('ext="a, no-store, b"').noStore);
});

test("parseCacheControl() takes what is no number, or comes twice, as 0, and caps what is too great", () => {
  for (const field of ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x", "max-age=1, max-age=2"]) {
    assert.is(parseCacheControl(field).maxAge, 0, field);
  }
  assert.is(parseCacheControl("max-age=99999999999999999999").maxAge, 2 ** 31);
  assert.is(parseCacheControl("max-stale").maxStale, Infinity);
  assert.is(parseCacheControl("max-stale=7").maxStale, 7);
});

test("freshnessOf() takes s-maxage before max-age before Expires before the default", () => {
  assert.equal(stored({ "cache-control": "max-age=60, s-maxage=30", expires: at(90) }), fresh(30));
  assert.equal(stored({ "cache-control": "max-age=60", expires: at(90) }), fresh(60));
  assert.equal(stored({ expires: at(90) }), fresh(90));
  assert.equal(stored({ date: at(-10), expires: at(90) }), fresh(100, { age: 10 }));
  assert.equal(stored({}), fresh(100));
});

test("freshnessOf() stores nothing that is stale already", () => {
  for (
    const headers of [
      { "cache-control": "max-age=0" },
      { "cache-control": "max-age=60, s-maxage=0" },
      { expires: at(-1) },
      { expires: "0" },
      { expires: "tomorrow" },
      { "cache-control": "max-age=60", age: "60" },
      { "cache-control": "max-age=60", date: at(-61) },
    ]
  ) {
    assert.is(stored(headers as Record<string, string>), undefined, JSON.stringify(headers));
  }
});

test("freshnessOf() counts the greater of Age and what Date says", () => {
  const headers = { "cache-control": "max-age=60" };
  assert.equal(stored({ ...headers, age: "20" }), fresh(60, { age: 20 }));
  assert.equal(stored({ ...headers, age: "20", date: at(-30) }), fresh(60, { age: 30 }));
  assert.equal(stored({ ...headers, age: "20", date: at(-10) }), fresh(60, { age: 20 }));
  assert.equal(stored({ ...headers, age: "-5", date: at(10) }), fresh(60));
});

test("freshnessOf() stores nothing that a shared cache must not", () => {
  for (const control of ["no-store", "private", 'private="x"', "no-cache", "max-age=60, no-store"]) {
    assert.is(stored({ "cache-control": control }), undefined, control);
  }
  assert.is(stored({ "set-cookie": "a=1", "cache-control": "public, max-age=60" }), undefined);
  assert.is(stored({}, { request: { "cache-control": "no-store" } }), undefined);
});

test("freshnessOf() stores answers to who is authorized only where they say that they are for all (section 3.5)", () => {
  const request = { authorization: "Bearer 1" };
  assert.is(stored({ "cache-control": "max-age=60" }, { request }), undefined);
  assert.is(stored({}, { request }), undefined);
  // It says what to do with what is stale, and not that others may have it.
  assert.is(stored({ "cache-control": "proxy-revalidate, max-age=60" }, { request }), undefined);
  for (const control of ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"]) {
    assert.is(stored({ "cache-control": control }, { request })?.lifetime, 60, control);
  }
});

test("freshnessOf() stores what says nothing of its lifetime by its status", () => {
  for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
    assert.ok(stored({}, { status }), `${status}`);
  }
  for (const status of [201, 302, 307, 400, 403, 429, 500, 503]) {
    assert.is(stored({}, { status }), undefined, `${status}`);
    assert.ok(stored({ "cache-control": "max-age=60" }, { status }));
    assert.ok(stored({ "cache-control": "public" }, { status }));
    assert.ok(stored({}, { status, anyStatus: true }));
  }
});

test("freshnessOf() lets nothing be used stale that must be validated then", () => {
  const staleFor = (control: string) => stored({ "cache-control": control })?.staleFor;
  assert.is(staleFor("max-age=60, stale-while-revalidate=30"), 30);
  assert.is(staleFor("max-age=0, stale-while-revalidate=30"), 30);
  for (const other of ["must-revalidate", "proxy-revalidate", "s-maxage=60"]) {
    assert.is(staleFor(`max-age=60, stale-while-revalidate=30, ${other}`), 0, other);
  }
});

test("usabilityOf() tells fresh from stale from unusable, and heeds what the request asks for", () => {
  const freshness = { age: 10, lifetime: 60, staleFor: 30 };
  const usable = (storedFor: number, control = "") =>
    usabilityOf({ headers: new Headers({ "cache-control": control }) }, freshness, storedFor * 1000);
  assert.is(usable(0), "fresh");
  assert.is(usable(49.9), "fresh");
  assert.is(usable(50), "stale");
  assert.is(usable(79.9), "stale");
  assert.is(usable(80), "unusable");
  assert.is(usable(-100), "fresh");
  assert.is(usable(0, "no-cache"), "unusable");
  assert.is(usable(0, "no-store"), "unusable");
  assert.is(usable(0, "max-age=9"), "unusable");
  assert.is(usable(0, "max-age=10"), "fresh");
  assert.is(usable(0, "min-fresh=50"), "fresh");
  assert.is(usable(0, "min-fresh=51"), "unusable");
  assert.is(usable(60, "min-fresh=0"), "unusable");
  assert.is(usable(60, "max-age=5"), "unusable");
});

test.run();
