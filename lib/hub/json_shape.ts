const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `{`, `[` and `,`: each begins a value. */
const BEGINS = new Set([0x7b, 0x5b, 0x2c]);
const CLOSES = new Set([0x7d, 0x5d]);
/** Deeper than any answer of the Hub. */
const MOST_NESTED = 16;

/**
 * What JSON has in it, seen while its bytes arrive: a text of some megabytes can hold a million values, which are made
 * at one go when it is parsed.
 */
export class JsonShape {
  readonly #mostValues: number;
  #values = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(mostValues: number) {
    this.#mostValues = mostValues;
  }

  /** @returns whether there are so many values that they should not be parsed, or so deep ones */
  isTooMuch(piece: Uint8Array): boolean {
    for (const byte of piece) {
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString && byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = !this.#inString;
      else if (!this.#inString && BEGINS.has(byte)) {
        this.#values++;
        if (byte !== 0x2c) this.#depth++;
      } else if (!this.#inString && CLOSES.has(byte)) this.#depth--;
      if (this.#depth > MOST_NESTED) return true;
    }
    return this.#values > this.#mostValues;
  }
}
