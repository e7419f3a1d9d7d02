const SHOWN = 80;

/**
 * Everything invisible in a text spelled out, line breaks too: names from files may hold terminal escapes and bidi
 * marks.
 */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** Text from a file, safe to print: in quotes, shortened, on one line. */
export function quote(text: string): string {
  const short = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  return oneLine(JSON.stringify(short));
}
