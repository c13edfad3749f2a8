/**
 * The bugs that are planted in scripts find the lines that they change: whoever rewrites one sees it here at once.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mustFind } from "../../scripts/chaos/plant_send.ts";
import { SCRIPT_EDITS } from "../../scripts/chaos/plant_scripts.ts";

test("every edit of a script finds its line", () => {
  for (const [plant, edits] of Object.entries(SCRIPT_EDITS)) {
    for (const { find } of edits) assert.not.throws(() => mustFind(find), undefined, plant);
  }
});

test.run();
