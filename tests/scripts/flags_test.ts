/**
 * The command line of proofs and measurements.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseFlags } from "../../scripts/flags.ts";

const defaults = { rows: 5, "kill-every": 8 };
const options = { least: { "kill-every": 0 }, switches: ["plain"] as const };

test("numbers and switches have defaults, and take what is given", () => {
  assert.equal(parseFlags([], defaults, options), { rows: 5, "kill-every": 8, plain: false });
  assert.equal(parseFlags(["--rows", "7", "--kill-every=0", "--plain"], defaults, options), {
    rows: 7,
    "kill-every": 0,
    plain: true,
  });
});

test("--help asks for the text, whatever else is given", () => {
  assert.is(parseFlags(["-h"], defaults), undefined);
  assert.is(parseFlags(["--rows", "many", "--help"], defaults), undefined);
});

test("what is wrong is named", () => {
  for (const value of ["0", "-1", "1.5", "many", "", "1e99"]) {
    assert.throws(
      () => parseFlags([`--rows=${value}`], defaults),
      `--rows must be a whole number from 1 on, not "${value}"`,
    );
  }
  assert.throws(() => parseFlags(["--kill-every=-1"], defaults, options), /^--kill-every .* from 0 on/);
  for (const args of [["--row", "1"], ["rows"], ["--rows"], ["--plain=1"]]) {
    assert.throws(() => parseFlags(args, defaults, options), /rows?|plain/);
  }
});

test.run();
