import { test } from "uvu";
import * as assert from "uvu/assert";
import { negotiate } from "../../../src/http/protocol/accept.ts";

const OFFERS = ["application/json", "application/x-ndjson", "text/event-stream"] as const;
const cases: [string | undefined, (typeof OFFERS)[number] | undefined][] = [
  [undefined, "application/json"],
  ["*/*", "application/json"],
  ["text/event-stream", "text/event-stream"],
  ["TEXT/Event-Stream", "text/event-stream"],
  ["text/*", "text/event-stream"],
  ["application/json;q=0.5, application/x-ndjson", "application/x-ndjson"],
  ["*/*, application/json;q=0", "application/x-ndjson"],
  ["text/html, */*;q=0.1", "application/json"],
  ["application/*;q=0.2, text/event-stream;q=0.3", "text/event-stream"],
  ["text/html", undefined],
  ["application/json;q=0", undefined],
  ["application/json;q=many", undefined],
];

for (const [accept, expected] of cases) {
  test(`negotiate() picks ${expected} for ${accept}`, () => assert.is(negotiate(accept, OFFERS), expected));
}

test.run();
