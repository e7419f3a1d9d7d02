import { count } from './counts.js';

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
  return count(Number(value.toPrecision(value < 20 ? 3 : 2)));
}

/** "+4.83", with a real minus. */
export function signedText(value: number): string {
  return `${value < 0 ? '−' : '+'}${amountText(Math.abs(value), 3)}`;
}

/** Half the width of an interval: two digits. */
export function errorText(value: number): string {
  return amountText(value, 2);
}

/** "66 %", with a decimal below 10. */
export function percent(share: number): string {
  const hundredths = 100 * share;
  return `${hundredths > 0 && hundredths < 9.95 ? hundredths.toFixed(1) : hundredths.toFixed(0)} %`;
}
