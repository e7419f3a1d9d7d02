/** A number for a message, with thousands separated: 1,234,567. */
export function count(value: number | bigint): string {
  return value.toLocaleString('en-US');
}

/** `1 byte`, `2 bytes`, `1,234 bytes`. */
export function byteCount(value: number | bigint): string {
  return `${count(value)} ${value === 1 || value === 1n ? 'byte' : 'bytes'}`;
}

/** Text from a file, safe to print: in quotes, shortened, with everything invisible (terminal escapes, bidi marks) spelled out. */
export function quote(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return JSON.stringify(short).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
