/**
 * Decimals that tell every value from 1: at least `least`, more where some |value| is closer to 1 than those can show.
 * Two networks at 0.99999987 are similar, but not the same.
 */
export function similarityDecimals(values: Iterable<number | null>, least: number): number {
  let decimals = least;
  for (const value of values) {
    const rest = value === null ? 0 : 1 - Math.abs(value);
    if (rest > 0 && rest < 10 ** (1 - least)) decimals = Math.max(decimals, Math.ceil(-Math.log10(rest)) + 1);
  }
  return Math.min(decimals, 15);
}

/** A similarity with the decimals of `similarityDecimals`, "1" when exactly so, "undefined" for null and NaN. */
export function similarityText(value: number | null, least = 4): string {
  if (value === null || Number.isNaN(value)) return 'undefined';
  if (Math.abs(value) === 1) return `${value}`;
  return value.toFixed(similarityDecimals([value], least));
}

/** `digits` significant digits without trailing zeros; exponents only for the very large and small. */
export function amountText(value: number, digits = 6): string {
  return `${Number(value.toPrecision(digits))}`;
}

/** A ratio for reading: "10.5", "28", "1,200". */
export function ratioText(value: number): string {
  return Number(value.toPrecision(value < 20 ? 3 : 2)).toLocaleString('en-US');
}

/** The text without the control characters that XML 1.0 cannot hold, not even escaped. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the ones to remove
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '');
}

/** Text for element content and quoted attributes of XML and HTML. */
export function escapeMarkup(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
