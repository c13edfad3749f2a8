/**
 * Browser sessions over every driver.
 */
import { Hono } from "hono";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../../src/lib/errors.ts";
import { session, type SessionEnv, type SessionOptions } from "../../../src/http/browser/session.ts";
import type { SessionStore } from "../../../src/sessions/session_store.ts";
import { drivers, openEach } from "../../storage/drivers.ts";

const SECRET = "a secret of thirty-two characters or more";
const SAME = { "sec-fetch-site": "same-origin" };

/** An app whose pages set, rotate and destroy. */
function appOn(store: SessionStore, options: Partial<SessionOptions> = {}) {
  const app = new Hono<SessionEnv>();
  app.use(session({ store, secrets: [SECRET], ...options }));
  app.get("/", (c) => c.json({ user: c.var.session.get("user") ?? null, cart: c.var.session.get("cart") ?? null }));
  app.post("/set/:name", async (c) => {
    c.var.session.set(c.req.param("name"), await c.req.json());
    return c.text("set");
  });
  app.post("/unset/:name", (c) => {
    c.var.session.delete(c.req.param("name"));
    return c.text("unset");
  });
  app.post("/login", (c) => {
    c.var.session.rotate();
    c.var.session.set("user", "alice");
    return c.redirect("/");
  });
  app.post("/logout", (c) => {
    c.var.session.destroy();
    return c.text("bye");
  });
  app.post("/fail", (c) => {
    c.var.session.set("user", "nobody");
    throw new Error("fails");
  });
  app.get("/token", async (c) => c.text(await c.var.session.csrfToken()));
  app.onError((error, c) =>
    "getResponse" in error ? (error as { getResponse(): Response }).getResponse() : c.text("", 500)
  );
  return app;
}

/** How many sessions there are. */
async function countOf(store: SessionStore): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await store.list({ limit: 10, ...(cursor !== undefined && { cursor }) });
    count += page.sessions.length;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return count;
}

/** A browser that keeps its cookie. */
class Browser {
  cookie: string | undefined;
  readonly #app: Hono<SessionEnv>;

  constructor(app: Hono<SessionEnv>, cookie?: string) {
    this.#app = app;
    this.cookie = cookie;
  }

  async send(method: string, path: string, options: { body?: unknown; headers?: Record<string, string> } = {}) {
    const headers = { ...(options.headers ?? SAME), ...(this.cookie && { cookie: this.cookie }) };
    const body = options.body === undefined ? {} : { body: JSON.stringify(options.body) };
    const response = await this.#app.request(`https://shop.example${path}`, { method, headers, ...body });
    const set = response.headers.get("set-cookie");
    if (set !== null) this.cookie = /Max-Age=0/.test(set) ? undefined : set.split(";")[0]!;
    return response;
  }

  async page() {
    return await (await this.send("GET", "/")).json();
  }
}

for (const driver of drivers()) {
  const test = suite(`session() on ${driver.name}`);
  let store: SessionStore;

  openEach(test, driver, (opened) => store = opened.sessions);

  test("session() sets no cookie and stores nothing until something is set", async () => {
    const app = appOn(store);
    const browser = new Browser(app);
    const response = await browser.send("GET", "/");
    assert.is(response.headers.get("set-cookie"), null);
    assert.is(await countOf(store), 0);
    const set = await browser.send("POST", "/set/user", { body: "bob" });
    assert.match(
      set.headers.get("set-cookie")!,
      /^__Host-session=[^;]+; Max-Age=86400; Path=\/; HttpOnly; Secure; SameSite=Lax$/i,
    );
    assert.equal(await browser.page(), { user: "bob", cart: null });
    assert.equal(await new Browser(app).page(), { user: null, cart: null });
  });

  test("session() takes no cookie that it did not sign, and secrets can be rotated", async () => {
    const app = appOn(store);
    const browser = new Browser(app);
    await browser.send("POST", "/set/user", { body: "bob" });
    const cookie = browser.cookie!;
    const forged = cookie.replace(/=./, (start) => start === "=A" ? "=B" : "=A");
    for (const bad of [forged, cookie.slice(0, -5), "__Host-session=x", `${cookie}x`, cookie.replace("__Host-", "")]) {
      assert.equal(await new Browser(app, bad).page(), { user: null, cart: null }, bad);
    }
    const next = "another secret of thirty-two characters";
    const rotated = appOn(store, { secrets: [next, SECRET] });
    const renewed = new Browser(rotated, cookie);
    assert.equal(await renewed.page(), { user: "bob", cart: null });
    assert.is.not(renewed.cookie, cookie);
    assert.equal(await new Browser(appOn(store, { secrets: [next] }), renewed.cookie).page(), {
      user: "bob",
      cart: null,
    });
    assert.equal(await new Browser(appOn(store, { secrets: [next] }), cookie).page(), { user: null, cart: null });
  });

  test("rotate() goes on under another id, and the id that was known before is worth nothing", async () => {
    const app = appOn(store);
    const browser = new Browser(app);
    await browser.send("POST", "/set/cart", { body: { pears: 2, gone: null } });
    const before = browser.cookie!;
    await browser.send("POST", "/login");
    assert.is.not(browser.cookie, before);
    assert.equal(await browser.page(), { user: "alice", cart: { pears: 2, gone: null } });
    const attacker = new Browser(app, before);
    assert.equal(await attacker.page(), { user: null, cart: null });
    // It does not come back to life by what the former id sets.
    await attacker.send("POST", "/set/user", { body: "mallory" });
    assert.equal(await browser.page(), { user: "alice", cart: { pears: 2, gone: null } });
    assert.is(await countOf(store), 2);
    await browser.send("POST", "/logout");
    assert.is(browser.cookie, undefined);
    assert.is(await countOf(store), 1);
  });

  test("requests at once keep what each of them sets, and none of them ends a logout, or undoes a login", async () => {
    const app = appOn(store);
    const browser = new Browser(app);
    await browser.send("POST", "/set/user", { body: "bob" });
    const { cookie } = browser;
    await Promise.all(
      ["a", "b", "c", "user"].map((name) => new Browser(app, cookie).send("POST", `/set/${name}`, { body: name }))
        .concat(
          new Browser(app, cookie).send("POST", "/unset/cart"),
        ),
    );
    assert.equal(await browser.page(), { user: "user", cart: null });
    for (const [path, user] of [["/logout", null], ["/login", "alice"]] as const) {
      const slow = appOn(store);
      let release = () => {};
      const held = new Promise<void>((resolve) => release = resolve);
      let enter = () => {};
      const entered = new Promise<void>((resolve) => enter = resolve);
      slow.post("/slow", async (c) => {
        enter();
        await held;
        c.var.session.set("user", "zombie");
        return c.text("");
      });
      const mine = new Browser(slow);
      await mine.send("POST", "/set/user", { body: "bob" });
      const former = mine.cookie;
      const sending = new Browser(slow, former).send("POST", "/slow");
      await entered;
      await mine.send("POST", path);
      release();
      // Its answer may come last: it takes no other cookie away.
      assert.is((await sending).headers.get("set-cookie"), null);
      assert.equal(await new Browser(slow, former).page(), { user: null, cart: null });
      assert.equal(await mine.page(), { user, cart: null });
    }
  });

  test("session() refuses what pages of other origins send, and asks for a token where a browser says nothing", async () => {
    const app = appOn(store, { origins: ["https://app.example"] });
    const browser = new Browser(app);
    await browser.send("POST", "/set/user", { body: "bob" });
    const status = async (headers: Record<string, string>) =>
      (await browser.send("POST", "/set/user", { body: "eve", headers })).status;
    assert.is(await status({ "sec-fetch-site": "cross-site", origin: "https://evil.example" }), 403);
    assert.is(await status({ "sec-fetch-site": "same-site", origin: "https://evil.shop.example" }), 403);
    assert.is(await status({ origin: "https://evil.example" }), 403);
    assert.is(await status({ origin: "null" }), 403);
    assert.is(await status({}), 403);
    assert.is(await status({ "x-csrf-token": "x".repeat(43) }), 403);
    assert.equal(await browser.page(), { user: "bob", cart: null });
    const token = await (await browser.send("GET", "/token")).text();
    assert.is(await status({ "x-csrf-token": token }), 200);
    assert.is(await status({ origin: "https://shop.example" }), 200);
    assert.is(await status({ "sec-fetch-site": "cross-site", origin: "https://app.example" }), 200);
    // A login that a stranger sends in the user's name is refused as well; a program without a session is nobody's.
    const fresh = new Browser(app);
    assert.is((await fresh.send("POST", "/login", { headers: { origin: "https://evil.example" } })).status, 403);
    assert.is((await fresh.send("POST", "/login", { headers: {} })).status, 302);
    const token2 = await (await fresh.send("GET", "/token")).text();
    await fresh.send("POST", "/login");
    assert.is((await fresh.send("POST", "/set/user", { body: 1, headers: { "x-csrf-token": token2 } })).status, 403);
  });

  test("what a failed request has set is not kept", async () => {
    const app = appOn(store);
    const browser = new Browser(app);
    await browser.send("POST", "/set/user", { body: "bob" });
    assert.is((await browser.send("POST", "/fail")).status, 500);
    assert.equal(await browser.page(), { user: "bob", cart: null });
  });

  test("session() answers 503 while the store is away, and refuses short secrets at once", async () => {
    const away = () => Promise.reject(new UnavailableError("away"));
    const store = { read: away, write: away, delete: away, list: away } as unknown as SessionStore;
    const app = appOn(store);
    const response = await new Browser(app).send("POST", "/set/user", { body: 1 });
    assert.is(response.status, 503);
    assert.is(response.headers.get("content-type"), "application/problem+json");
    for (const secrets of [[], ["short"], [SECRET, ""]]) assert.throws(() => session({ store, secrets }), TypeError);
  });

  test("a session goes on at every instance, and a logout at one of them ends it at the other", async () => {
    if (!driver.isShared) return;
    await using other = await driver.open("b");
    const [here, there] = [appOn(store), appOn(other.sessions)];
    const browser = new Browser(here);
    await browser.send("POST", "/set/cart", { body: [1, 2] });
    const elsewhere = new Browser(there, browser.cookie!);
    assert.equal(await elsewhere.page(), { user: null, cart: [1, 2] });
    await elsewhere.send("POST", "/login");
    assert.equal(await browser.page(), { user: null, cart: null });
    const back = new Browser(here, elsewhere.cookie!);
    assert.equal(await back.page(), { user: "alice", cart: [1, 2] });
    await back.send("POST", "/logout");
    assert.equal(await elsewhere.page(), { user: null, cart: null });
    assert.is(await countOf(store), 0);
  });

  test.run();
}
