/**
 * JSON Patch (RFC 6902).
 *
 * @example
 * ```ts
 * applyJsonPatch({ n: [1] }, parseJsonPatch([{ op: "add", path: "/n/-", value: 2 }]), { limitBytes: 1000 });
 * // { n: [1, 2] }
 * ```
 */
import { type Fault, MillraceError } from "../lib/errors.ts";
import { isJsonObject, jsonEqual, type JsonObject, type JsonValue, setMember } from "../lib/json.ts";
import { arrayIndex, parsePointer, replaceAt, valueAt } from "../lib/json_pointer.ts";

/** The most operations of one patch: each insertion at the head of a list moves the whole list. */
const MAX_OPERATIONS = 1000;

/** One operation (section 4), with its pointers split into tokens. */
export type Operation =
  | { readonly op: "add" | "replace" | "test"; readonly path: readonly string[]; readonly value: JsonValue }
  | { readonly op: "remove"; readonly path: readonly string[] }
  | { readonly op: "move" | "copy"; readonly path: readonly string[]; readonly from: readonly string[] };

/**
 * Reads a patch document. Members that an operation does not know are ignored (section 4).
 *
 * @throws {MillraceError} `malformed_patch`, with every fault by its pointer into the patch
 */
export function parseJsonPatch(patch: JsonValue): Operation[] {
  if (!Array.isArray(patch)) throw malformed([{ pointer: "", detail: "Expected an array of operations" }]);
  if (patch.length > MAX_OPERATIONS) {
    throw malformed([{ pointer: "", detail: `Expected at most ${MAX_OPERATIONS} operations: it has ${patch.length}` }]);
  }
  const faults: Fault[] = [];
  const operations = patch.map((item, at) =>
    parseOperation(item, (member, detail) => {
      faults.push({ pointer: `/${at}${member}`, detail });
    })
  );
  if (faults.length > 0) throw malformed(faults);
  return operations as Operation[];
}

function parseOperation(item: JsonValue, fault: (member: string, detail: string) => void): Operation | undefined {
  if (!isJsonObject(item)) return void fault("", "Expected an object with the members op and path");
  const pointer = (name: "path" | "from"): string[] => {
    const text = Object.hasOwn(item, name) ? item[name] : undefined;
    const tokens = typeof text === "string" ? parsePointer(text) : undefined;
    if (tokens === undefined) fault(`/${name}`, "Expected a JSON pointer");
    return tokens ?? [];
  };
  const path = pointer("path");
  const op = Object.hasOwn(item, "op") ? item["op"] : undefined;
  switch (op) {
    case "add":
    case "replace":
    case "test": {
      const value = Object.hasOwn(item, "value") ? item["value"] : undefined;
      if (value === undefined) return void fault("/value", "Expected a value");
      return { op, path, value };
    }
    case "remove":
      return { op, path };
    case "move":
    case "copy":
      return { op, path, from: pointer("from") };
    default:
      return void fault("/op", "Expected one of add, remove, replace, move, copy, test");
  }
}

/**
 * Applies all operations in place. When it throws, the document is left half changed and must be dropped.
 *
 * @param options.limitBytes characters of JSON that `copy` operations may add: copies of copies grow exponentially
 * @throws {MillraceError} `patch_conflict` where an operation names what is not there, `patch_test_failed`,
 * `document_too_large`, `json_too_deep`
 */
export function applyJsonPatch(
  document: JsonValue,
  operations: readonly Operation[],
  { limitBytes }: { limitBytes: number },
): JsonValue {
  let result = document;
  let copied = 0;
  const copyOf = (value: JsonValue): JsonValue => {
    const json = JSON.stringify(value);
    copied += json.length;
    if (copied <= limitBytes) return JSON.parse(json);
    throw new MillraceError("document_too_large", `The patch copies more than ${limitBytes} bytes`, {
      extensions: { limitBytes },
    });
  };
  for (const [at, operation] of operations.entries()) {
    try {
      result = apply(result, operation, copyOf);
    } catch (error) {
      // Moves and copies can nest values so deep that JSON.stringify exhausts the stack.
      if (error instanceof RangeError) {
        throw new MillraceError("json_too_deep", "The patch makes JSON that is too deep");
      }
      if (!(error instanceof Conflict)) throw error;
      const message = `Operation ${at} (${operation.op}): ${error.message}`;
      throw new MillraceError(error.code, message, { extensions: { operation: at } });
    }
  }
  return result;
}

/** An operation that cannot be applied to the document. */
class Conflict extends Error {
  readonly code: "patch_conflict" | "patch_test_failed";

  constructor(message: string, code: "patch_conflict" | "patch_test_failed" = "patch_conflict") {
    super(message);
    this.code = code;
  }
}

function apply(document: JsonValue, operation: Operation, copyOf: (value: JsonValue) => JsonValue): JsonValue {
  const { op, path } = operation;
  switch (op) {
    case "add":
      return add(document, path, operation.value);
    case "remove":
      return remove(document, path);
    case "replace":
      existing(document, path);
      return replaceAt(document, path, operation.value);
    case "copy":
      return add(document, path, copyOf(existing(document, operation.from, "from")));
    case "move": {
      const { from } = operation;
      const value = existing(document, from, "from");
      const isWithin = from.every((token, at) => path[at] === token);
      if (isWithin && from.length === path.length) return document;
      if (isWithin) throw new Conflict("a value cannot be moved into itself");
      return add(remove(document, from), path, value);
    }
    case "test":
      if (jsonEqual(existing(document, path), operation.value)) return document;
      throw new Conflict("another value is at its path", "patch_test_failed");
  }
}

function existing(document: JsonValue, tokens: readonly string[], member = "path"): JsonValue {
  const value = valueAt(document, tokens);
  if (value === undefined) throw new Conflict(`there is nothing at its ${member}`);
  return value;
}

/** Section 4.1: inserts into an array, sets a member, or replaces the whole document. */
function add(document: JsonValue, path: readonly string[], value: JsonValue): JsonValue {
  const token = path.at(-1);
  if (token === undefined) return value;
  const parent = existing(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = token === "-" ? parent.length : arrayIndex(token);
    if (index === undefined || index > parent.length) throw new Conflict(`"${token}" is no index of the array`);
    parent.splice(index, 0, value);
  } else if (isJsonObject(parent)) setMember(parent, token, value);
  else throw new Conflict("its path leads into a value that has no members");
  return document;
}

/** Section 4.2. Removing the whole document leaves `null`, which is refused afterwards as no session. */
function remove(document: JsonValue, path: readonly string[]): JsonValue {
  existing(document, path);
  const token = path.at(-1);
  if (token === undefined) return null;
  const parent = existing(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(Number(token), 1);
  else delete (parent as JsonObject)[token];
  return document;
}

function malformed(faults: readonly Fault[]): MillraceError {
  return new MillraceError("malformed_patch", `The patch has ${faults.length} fault${faults.length === 1 ? "" : "s"}`, {
    extensions: { errors: faults },
  });
}
