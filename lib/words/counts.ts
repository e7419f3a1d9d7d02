/** A number for a message, with thousands separated: 1,234,567. */
export function count(value: number | bigint): string {
  // Whole numbers without what Node reads for languages, which takes 10 ms at its first use.
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value).replace(THOUSANDS, ',');
  return value.toLocaleString('en-US');
}

/** Between a digit and so many digits that they are thousands. */
const THOUSANDS = /(?<=\d)(?=(?:\d{3})+$)/g;

/** The noun in the number that goes with a value; `several` where it is not the noun and an "s". */
export function plural(value: number | bigint, one: string, several = `${one}s`): string {
  return value === 1 || value === 1n ? one : several;
}

/** `1 byte`, `2 bytes`, `1,234 bytes`. */
export function byteCount(value: number | bigint): string {
  return `${count(value)} ${plural(value, 'byte')}`;
}
