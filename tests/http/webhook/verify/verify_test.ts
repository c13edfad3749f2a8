import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../../../src/lib/errors.ts";
import { SCHEMES } from "../../../../src/http/webhook/verify/schemes.ts";
import { createVerify } from "../../../../src/http/webhook/verify/verify.ts";
import type { Verification } from "../../../../src/workflow/definition.ts";
import { ed25519Pair, type SignedCall, SIGNERS, signStandardAsymmetric, verification } from "./signing.ts";

type SchemeName = Verification["scheme"];
const NAMES = Object.keys(SCHEMES) as SchemeName[];
const NOW = 1_790_000_000;
const BODY = '{"id":"evt_1","event_id":"Ev1","text":"ümlaut"}';
const SECRETS: Partial<Record<SchemeName, string>> = {
  standard: `whsec_${btoa("a secret of 24 bytes....")}`,
  bearer: "a-token",
};
const secretOf = (scheme: SchemeName) => SECRETS[scheme] ?? "user:a secret";

/** How often a call is changed; `npm run prove:signatures` does it 100,000 times. */
const MUTATIONS = Number(process.env["MILLRACE_MUTATIONS"] ?? 2000);

/** `undefined` where the call is verified, else the check that failed. */
async function failure(
  { headers, body }: SignedCall,
  options: { verify: Verification; secrets: Record<string, string>; at?: number },
): Promise<string | undefined> {
  const { verify, secrets, at = NOW } = options;
  const check = createVerify({ secrets: new Map(Object.entries(secrets)), clock: { now: () => at * 1000 } });
  try {
    await check(verify, { headers: new Headers(headers), body: new TextEncoder().encode(body) });
    return undefined;
  } catch (error) {
    assert.instance(error, MillraceError);
    const { code, message, options } = error as MillraceError;
    for (const secret of Object.values(secrets)) assert.not.ok(`${message}${JSON.stringify(options)}`.includes(secret));
    assert.ok(code === "secret_missing" || options.headers!["www-authenticate"], "a challenge");
    return code === "secret_missing" ? code : options.extensions!["check"] as string;
  }
}

const sign = (scheme: SchemeName, more: { secret?: string; at?: number } = {}) =>
  SIGNERS[scheme]({ secret: secretOf(scheme), body: BODY, at: NOW, id: "delivery-1", ...more });

test("verify takes what providers publish as examples", async () => {
  const slackBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&" +
    "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&" +
    "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&" +
    "trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
  const vectors: readonly (SignedCall & { scheme: SchemeName; secret: string; at: number })[] = [
    {
      scheme: "standard",
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      at: 1_614_265_330,
      body: '{"test": 2432232314}',
      headers: {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      },
    },
    {
      scheme: "github",
      secret: "It's a Secret to Everybody",
      at: NOW,
      body: "Hello, World!",
      headers: {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
      },
    },
    {
      scheme: "slack",
      secret: "8f742231b10e8888abcd99yyyzzz85a5",
      at: 1_531_420_618,
      body: slackBody,
      headers: {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
      },
    },
  ];
  for (const { scheme, secret, at, ...call } of vectors) {
    assert.is(await failure(call, { verify: verification(scheme), secrets: { HOOK: secret }, at }), undefined, scheme);
  }
});

for (const scheme of NAMES) {
  const secrets = { HOOK: secretOf(scheme) };

  test(`verify takes a call that is signed as documented (${scheme}), and names its delivery`, async () => {
    const check = createVerify({ secrets: new Map(Object.entries(secrets)), clock: { now: () => NOW * 1000 } });
    const { headers, body } = sign(scheme);
    const request = { headers: new Headers(headers), body: new TextEncoder().encode(body) };
    const deliveryId = { stripe: "evt_1", slack: "Ev1", basic: undefined, bearer: undefined }[scheme as "basic"];
    const expected = scheme in { stripe: 1, slack: 1, basic: 1, bearer: 1 } ? deliveryId : "delivery-1";
    assert.equal(await check(verification(scheme), request), {
      scheme,
      ...(expected !== undefined && { deliveryId: expected }),
    });
  });

  test(`verify refuses another secret, another body and a missing header (${scheme})`, async () => {
    const verify = verification(scheme);
    assert.is(await failure(sign(scheme), { verify, secrets: { HOOK: `${secretOf(scheme)}BBBB` } }), "signature");
    const { headers, body } = sign(scheme);
    const isSigned = scheme !== "basic" && scheme !== "bearer";
    assert.is(await failure({ headers, body: `${body} ` }, { verify, secrets }), isSigned ? "signature" : undefined);
    assert.is(await failure({ headers: {}, body }, { verify, secrets }), "header");
  });

  test(`verify takes any of several secrets, so that they can be rotated (${scheme})`, async () => {
    const verify = verification(scheme, { secrets: ["env:OLD", "env:HOOK"] });
    const both = { OLD: scheme === "standard" ? `whsec_${btoa("another")}` : "x:old", ...secrets };
    assert.is(await failure(sign(scheme), { verify, secrets: both }), undefined);
    assert.is(await failure(sign(scheme), { verify, secrets: { OLD: both.OLD } }), "secret_missing");
    assert.is(await failure(sign(scheme, { secret: both.OLD }), { verify, secrets: { OLD: both.OLD } }), undefined);
  });

  test(`verify refuses what was signed too long ago, or in the future (${scheme})`, async () => {
    const verify = verification(scheme);
    const hasTime = !["github", "shopify", "basic", "bearer"].includes(scheme);
    for (const [off, isFine] of [[-300, true], [300, true], [-301, !hasTime], [301, !hasTime]] as const) {
      const found = await failure(sign(scheme, { at: NOW + off }), { verify, secrets });
      assert.is(found, isFine ? undefined : "timestamp", `${off} s`);
    }
  });

  test(`verify refuses every changed call (${scheme})`, async () => {
    const verify = verification(scheme);
    const call = sign(scheme);
    const isSigned = scheme !== "basic" && scheme !== "bearer";
    // Names that are not signed may change: GitHub and Shopify sign the body alone.
    const fields = Object.keys(call.headers).filter((name) => !/^x-(github-delivery|shopify-webhook-id)$/.test(name));
    const places = fc.constantFrom(...fields, ...(isSigned ? ["body"] : []));
    await fc.assert(
      fc.asyncProperty(
        places,
        fc.nat(),
        fc.nat({ max: 3 }),
        fc.integer({ min: 1, max: 94 }),
        async (place, at, how, by) => {
          const text = place === "body" ? call.body : call.headers[place]!;
          const changed = change(text, { at: at % text.length, how, by });
          if (place === "authorization" ? isSameAuthorization(changed, text) : changed.trim() === text) return;
          const mutated = place === "body" ? { ...call, body: changed } : {
            ...call,
            headers: { ...call.headers, [place]: changed },
          };
          assert.is.not(await failure(mutated, { verify, secrets }), undefined, `${place}: ${changed}`);
        },
      ),
      { numRuns: Math.ceil(MUTATIONS / NAMES.length) },
    );
  });
}

test("verify takes v1a signatures under public keys, and neither kind of key for the other", async () => {
  const { publicKey, privateKey } = ed25519Pair();
  const call = signStandardAsymmetric(privateKey, { body: BODY, at: NOW, id: "m" });
  const verify = verification("standard");
  assert.is(await failure(call, { verify, secrets: { HOOK: publicKey } }), undefined);
  assert.is(await failure({ ...call, body: "{}" }, { verify, secrets: { HOOK: publicKey } }), "signature");
  assert.is(await failure(call, { verify, secrets: { HOOK: ed25519Pair().publicKey } }), "signature");
  // Who knows the public key must not sign with it as if it were the secret of an HMAC.
  const forged = SIGNERS.standard({ secret: `whsec_${publicKey.slice(5)}`, body: BODY, at: NOW, id: "m" });
  assert.is(await failure(forged, { verify, secrets: { HOOK: publicKey } }), "signature");
  const both = { ...call.headers, "webhook-signature": `v1,AAAA v1a,x ${call.headers["webhook-signature"]}` };
  assert.is(await failure({ ...call, headers: both }, { verify, secrets: { HOOK: publicKey } }), undefined);
});

test.run();

/** The scheme of credentials has no case, and may be followed by several spaces (RFC 9110, section 11.4). */
function isSameAuthorization(a: string, b: string): boolean {
  const normal = (text: string) => text.trim().replace(/^(\w+) +/, (_, scheme: string) => `${scheme.toLowerCase()} `);
  return normal(a) === normal(b);
}

/** A character is replaced, removed or doubled, or the case of one is changed. */
function change(text: string, { at, how, by }: { at: number; how: number; by: number }): string {
  const code = text.charCodeAt(at);
  const other = String.fromCharCode(32 + ((Math.max(0, code - 32) + by) % 95));
  if (how === 0) return text.slice(0, at) + other + text.slice(at + 1);
  if (how === 1) return text.slice(0, at) + text.slice(at + 1);
  if (how === 2) return text.slice(0, at) + text[at] + text.slice(at);
  const letter = text[at]!;
  const turned = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  return text.slice(0, at) + turned + text.slice(at + 1);
}
