/** When the archiver turns to its feed, with an archive and a feed that the test controls. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Archive } from "../../src/feed/archive.ts";
import type { ArchiveFeed } from "../../src/feed/archive_feed.ts";
import { Archiver } from "../../src/feed/archiver.ts";
import { eventually } from "../support/eventually.ts";

const unused = (): never => {
  throw new Error("not expected");
};

test("Archiver holds the feed before it waits for the archive, and again whenever that is away", async () => {
  const seen: string[] = [];
  const answers = [false, false, true, true, false, true];
  const feed: ArchiveFeed = {
    hold: () => Promise.resolve(void seen.push("hold")),
    take: () => {
      seen.push("take");
      return Promise.resolve([]);
    },
    again: unused,
    done: unused,
    backlog: unused,
  };
  const whenReady: Archive["whenReady"] = () => {
    const isReady = answers.shift() ?? true;
    seen.push(isReady ? "ready" : "away");
    return new Promise((resolve) => setTimeout(resolve, 0, isReady));
  };
  const archiver = new Archiver({
    feed,
    archive: { whenReady } as Archive,
    log: { pages: unused },
    workflows: { get: unused },
    onError: unused,
  });
  const expected = "hold away hold away hold ready take ready take away hold ready take".split(" ");
  archiver.start();
  try {
    await eventually(() => seen.length >= expected.length, "it has gone on");
  } finally {
    await archiver.stop();
  }
  assert.equal(seen.slice(0, expected.length), expected);
});

test.run();
