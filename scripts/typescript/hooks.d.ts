/** Where packages that were made to one file are. */
export const PACKAGES: URL;
/** The packages that were made since packages were installed last, by what they are imported as. */
export function readPackages(): ReadonlyMap<string, string>;
/** The file that a package is made to. */
export function fileOf(name: string): string;
