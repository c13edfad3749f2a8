/**
 * Where an append-only file of Redis may be cut.
 *
 * What ends inside of a transaction Redis 7.0 cuts behind the last whole command in it, not before its MULTI: at its
 * next start it runs that half of a transaction, with the next EXEC. A script's writes are a transaction, so that half
 * of a script would have happened, which no Redis does that does not have this fault.
 */

/** The length of the longest beginning of the file that ends outside of a transaction. */
export function wholeLength(file: Buffer): number {
  let end = 0;
  let isInside = false;
  for (let at = 0;;) {
    const command = readCommand(file, at);
    if (command === undefined) return end;
    at = command.end;
    if (command.name === "multi") isInside = true;
    if (command.name === "exec") isInside = false;
    if (!isInside) end = at;
  }
}

/** The command that begins at an offset, an array of bulk strings (RESP); `undefined` where it is not all there. */
function readCommand(file: Buffer, start: number): { name: string; end: number } | undefined {
  const words = readNumber(file, start, "*");
  if (words === undefined) return undefined;
  let { end } = words;
  let name: string | undefined;
  for (let n = 0; n < words.value; n++) {
    const length = readNumber(file, end, "$");
    if (length === undefined) return undefined;
    end = length.end + length.value + 2;
    if (end > file.length) return undefined;
    name ??= file.toString("latin1", length.end, length.end + length.value).toLowerCase();
  }
  return { name: name ?? "", end };
}

/** The number of a line that begins with this character, and where the line ends. */
function readNumber(file: Buffer, start: number, first: string): { value: number; end: number } | undefined {
  const end = file.indexOf("\r\n", start);
  if (end === -1 || file[start] !== first.charCodeAt(0)) return undefined;
  return { value: Number(file.toString("latin1", start + 1, end)), end: end + 2 };
}
