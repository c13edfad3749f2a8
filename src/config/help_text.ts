/**
 * What the command line says of itself.
 */
import { SETTINGS } from "./settings.ts";

/**
 * What `millrace --help` prints: usage, options, and every variable with its default.
 *
 * @param commands a line each
 */
export function helpText(commands: readonly string[] = []): string {
  const width = Math.max(...Object.keys(SETTINGS).map((name) => name.length)) + 2;
  const rows = Object.entries(SETTINGS).map(([name, setting]) => {
    const byDefault = setting.default === "" ? "" : ` [${setting.default}]`;
    return `  ${name.padEnd(width)}${setting.help}${byDefault}`;
  });
  return `Usage: millrace [options]
${commands.map((line) => `       ${line}\n`).join("")}
Runs workflows behind webhooks, on Redis Streams; without Redis, in the memory of this one process.

Options:
  ${"-h, --help".padEnd(width)}Print this and exit
  ${"-v, --version".padEnd(width)}Print the version and exit

Environment [default]:
${rows.join("\n")}
`;
}
