import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../../src/lib/errors.ts";
import { BodyBudget } from "../../../src/http/protocol/body_budget.ts";
import { parseContent as parse, parseForm } from "../../../src/http/webhook/content.ts";
import { readBytes as read } from "../../../src/http/protocol/request_body.ts";

const parseContent = (bytes: Uint8Array, type: string | null) => parse(bytes, type, { limitValues: 1_000 });
const share = () => new BodyBudget({ limitBytes: 1_000_000 }).open();
const readBytes = (request: Request, { limitBytes }: { limitBytes: number }) =>
  read(request, { limitBytes, stallMs: 60_000, share: share() });

const bytes = (text: string) => new TextEncoder().encode(text);

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    assert.instance(error, MillraceError);
    return (error as MillraceError).code;
  }
  return "nothing thrown";
}

test("parseContent() makes values by the content type", async () => {
  const cases: [string, string | null, unknown][] = [
    ["", "application/json", null],
    [' {"a":[1]}', "application/json; charset=utf-8", { a: [1] }],
    ["\uFEFF1", "application/vnd.api+json", 1],
    ["a=1&b=2&a=3&c=%20x+y&a=4", "application/x-www-form-urlencoded", { a: ["1", "3", "4"], b: "2", c: " x y" }],
    ["?a=1&?=2", "application/x-www-form-urlencoded", { "?a": "1", "?": "2" }],
    ["héllo", "text/plain", "héllo"],
    ["<a/>", "application/xml", "<a/>"],
    ["<a/>", "image/svg+xml", "<a/>"],
    ["hi", "application/octet-stream", { base64: "aGk=" }],
    ["hi", null, { base64: "aGk=" }],
  ];
  for (const [text, type, expected] of cases) assert.equal(await parseContent(bytes(text), type), expected, `${type}`);
});

test("parseContent() decodes text in its charset", async () => {
  assert.is(await parseContent(new Uint8Array([0xe9]), "text/plain; charset=iso-8859-1"), "é");
  assert.is(await codeOf(() => parseContent(bytes("x"), "text/plain; charset=klingon")), "unsupported_media_type");
});

test("parseContent() makes fields and files of multipart", async () => {
  const form = new FormData();
  form.append("a", "1");
  form.append("a", "2");
  form.append("__proto__", "harmless");
  form.append("file", new File([new Uint8Array([0, 255, 1])], "b.bin", { type: "application/octet-stream" }));
  const response = new Response(form);
  const body = new Uint8Array(await response.clone().arrayBuffer());
  const value = await parseContent(body, response.headers.get("content-type")) as Record<string, unknown>;
  assert.equal(value["a"], ["1", "2"]);
  assert.equal(value["file"], { filename: "b.bin", type: "application/octet-stream", size: 3, base64: "AP8B" });
  assert.equal(Object.keys(value), ["a", "__proto__", "file"]);
});

test("parseContent() refuses what it cannot read", async () => {
  const cases: [Uint8Array, string, string][] = [
    [bytes("{"), "application/json", "malformed_json"],
    [bytes("undefined"), "application/json", "malformed_json"],
    [bytes("1e400"), "application/json", "json_number_too_large"],
    [bytes(`[-${"9".repeat(310)}]`), "application/problem+json", "json_number_too_large"],
    [new Uint8Array([0x22, 0xff, 0x22]), "application/json", "malformed_body"],
    [new Uint8Array([0xc3, 0x28]), "text/plain", "malformed_body"],
    [bytes("[".repeat(5_000) + "]".repeat(5_000)), "application/json", "json_too_deep"],
    [bytes('{"a":'.repeat(201) + "1" + "}".repeat(201)), "application/json", "json_too_deep"],
    [bytes("--x\r\nnonsense"), "multipart/form-data; boundary=x", "malformed_body"],
    [bytes("--x\r\n\r\n"), "multipart/form-data", "malformed_body"],
    [
      bytes('--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x\r\ncontent-disp'),
      "multipart/form-data; boundary=x",
      "malformed_body",
    ],
    [
      bytes('--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'),
      "multipart/form-data; boundary=y",
      "malformed_body",
    ],
    [bytes("a&".repeat(20_000)), "application/x-www-form-urlencoded", "malformed_body"],
  ];
  for (const [body, type, code] of cases) assert.is(await codeOf(() => parseContent(body, type)), code, type);
});

test("parseContent() says where a number is that no double can be, and takes all others", async () => {
  const refused = bytes('{"a":[1e308,{"b/c":-1E+400}]}');
  const error = await Promise.resolve().then(() => parseContent(refused, "application/json")).catch((error) => error);
  assert.equal(error.options.extensions.errors.map(({ pointer }: { pointer: string }) => pointer), ["/a/1/b~1c"]);
  const taken = `[1.7e308,-${"9".repeat(308)},1e-400,0.${"1".repeat(400)},0e999,"1e400"]`;
  assert.equal(await parseContent(bytes(taken), "application/json"), JSON.parse(taken));
});

test("parseForm() takes a query as it is, a leading question mark too", () => {
  for (const [text, expected] of [["?a=1", { "?a": "1" }], ["??", { "??": "" }], ["a=?", { a: "?" }]] as const) {
    assert.equal(parseForm(text), expected, text);
  }
});

test("parseContent() takes JSON of the allowed depth", async () => {
  const text = "[".repeat(200) + "]".repeat(200);
  assert.is(JSON.stringify(await parseContent(bytes(text), "application/json")), text);
});

test("parseContent() and parseForm() make own keys of __proto__", async () => {
  const values = [
    await parseContent(bytes('{"__proto__":{"polluted":true}}'), "application/json"),
    parseForm("__proto__=polluted&__proto__=again"),
  ];
  for (const value of values) {
    assert.equal(Object.keys(value as object), ["__proto__"]);
    assert.is(Object.getPrototypeOf(value), Object.prototype);
  }
  assert.is(({} as Record<string, unknown>)["polluted"], undefined);
});

test("readBytes() refuses a declared length over the limit before it reads", async () => {
  let pulled = 0;
  const body = new ReadableStream({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(10));
    },
  }, { highWaterMark: 0 });
  const init = { method: "POST", headers: { "content-length": "11" }, body, duplex: "half" };
  const request = new Request("http://localhost/", init as RequestInit);
  assert.is(await codeOf(() => readBytes(request, { limitBytes: 10 })), "body_too_large");
  assert.is(pulled, 0);
});

test("readBytes() stops reading a body without a length when it passes the limit", async () => {
  let pulled = 0;
  let cancelled = false;
  const body = new ReadableStream({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(10));
    },
    cancel() {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  const request = new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit);
  assert.is(await codeOf(() => readBytes(request, { limitBytes: 25 })), "body_too_large");
  assert.is(pulled, 3);
  assert.ok(cancelled);
});

test("readBytes() joins chunks, and takes a body of just the limit", async () => {
  const request = new Request("http://localhost/", { method: "POST", body: "0123456789" });
  assert.is(new TextDecoder().decode(await readBytes(request, { limitBytes: 10 })), "0123456789");
});

test("readBytes() answers a body that breaks off with malformed_body", async () => {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(1));
      controller.error(new Error("gone"));
    },
  });
  const request = new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit);
  assert.is(await codeOf(() => readBytes(request, { limitBytes: 10 })), "malformed_body");
});

test("readBytes() refuses an encoded body", async () => {
  const headers = { "content-encoding": "gzip" };
  const request = new Request("http://localhost/", { method: "POST", body: "x", headers });
  assert.is(await codeOf(() => readBytes(request, { limitBytes: 10 })), "unsupported_media_type");
});

test.run();
