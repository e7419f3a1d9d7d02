import { isUtf8 } from 'node:buffer';
import { TensimError } from '../errors.js';
import { byteCount, count } from '../words/counts.js';
import { quote } from '../words/quoting.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;
/** The longest run of blanks between two tokens: nothing here takes long without a pause. */
const BLANK_RUN = 65_536;
/** The deepest nesting of a value that is stepped over. */
const MOST_NESTED = 32;

/** What JSON text belongs to, for messages. */
export interface JsonSource {
  readonly file: string;
  /** `header` or `index`. */
  readonly part: string;
  readonly hint: string;
}

/**
 * A strict reader of JSON from untrusted bytes. The caller asks for what its schema wants next, so there is no tree, no
 * recursion and no nesting that the schema does not have: a million open brackets fail at the first one out of place.
 * Strings are bounded before they are made. Every violation is a `TensimError` `INVALID_FILE` that says what was found
 * and where.
 */
export class JsonReader {
  /** The tensor being read, for messages. */
  tensor: string | undefined;
  private position = 0;
  private textLeft: number;
  private readonly bytes: Buffer;
  private readonly source: JsonSource;
  private readonly textLimit: number;

  /**
   * @param textLimit the most bytes that all strings returned by `string` may have together, as written in the file.
   */
  constructor(bytes: Buffer, source: JsonSource, textLimit: number) {
    this.bytes = bytes;
    this.source = source;
    this.textLimit = textLimit;
    this.textLeft = textLimit;
    if (!isUtf8(bytes)) throw this.error(`the ${source.part} is not valid UTF-8`);
  }

  /** An error at the place reached. */
  errorHere(problem: string): TensimError {
    return this.error(`${problem} (byte ${count(this.position)} of the ${this.source.part})`);
  }

  /** An error without a place. */
  error(problem: string): TensimError {
    const { file, hint } = this.source;
    return new TensimError('INVALID_FILE', problem, {
      file,
      hint,
      ...(this.tensor === undefined ? {} : { tensor: this.tensor }),
    });
  }

  /**
   * Steps into an object or a list; false if it is empty. The loop of a caller is
   * `for (let more = reader.enter('{', what); more; more = reader.next('}', what))`.
   */
  enter(open: '{' | '[', what: string): boolean {
    this.expect(open, `${what} must be ${open === '{' ? 'an object' : 'a list'}`);
    this.skipBlanks();
    if (this.bytes[this.position] !== (open === '{' ? 0x7d : 0x5d)) return true;
    this.position++;
    return false;
  }

  /** After an element: true if a comma announces another, false past the closing bracket. */
  next(close: '}' | ']', what: string): boolean {
    this.skipBlanks();
    const found = this.bytes[this.position];
    if (found !== COMMA && found !== close.charCodeAt(0))
      throw this.errorHere(`expected a comma or "${close}" in ${what}, found ${this.found()}`);
    this.position++;
    return found === COMMA;
  }

  /** The key of a member, and past its colon. `__proto__` is refused, whatever it is a key of. */
  key(what: string): string {
    const key = this.string(`a key of ${what}`);
    if (key === '__proto__') throw this.errorHere(`${what} has the forbidden key "__proto__"`);
    this.skipBlanks();
    if (this.bytes[this.position] !== COLON)
      throw this.errorHere(`expected ":" after the key ${quote(key)}, found ${this.found()}`);
    this.position++;
    return key;
  }

  /** A string with its escapes resolved. */
  string(what: string): string {
    this.expect('"', `${what} must be a string`);
    const start = this.position;
    const { bytes } = this;
    let end = start;
    let escaped = false;
    while (bytes[end] !== QUOTE) {
      if (end >= bytes.length) throw this.errorHere(`${what} is a string that never ends`);
      if (end - start >= this.textLeft) throw this.tooMuchText();
      if (bytes[end] < SPACE) throw this.errorHere(`${what} contains an unescaped control character`);
      if (bytes[end] === BACKSLASH) {
        escaped = true;
        end++;
      }
      end++;
    }
    this.textLeft -= end - start;
    this.position = end + 1;
    return escaped ? this.unescaped(start, end, what) : bytes.toString('utf8', start, end);
  }

  /** A non-negative integer up to 2^53 − 1, written as plain digits; `what` is the list it belongs to. */
  integer(what: string): number {
    this.skipBlanks();
    const { bytes } = this;
    const start = this.position;
    let value = 0;
    while (isDigit(bytes[this.position])) {
      // Growth beyond the safe range is detected before it loses digits: 10 · 2^53 is far from the limits of a double.
      value = value * 10 + (bytes[this.position++] - 0x30);
      if (value > Number.MAX_SAFE_INTEGER)
        throw this.errorHere(`${what} holds ${quote(this.numberText(start))}, beyond the largest possible 2^53 − 1`);
    }
    const after = bytes[this.position];
    const leadingZero = this.position - start > 1 && bytes[start] === 0x30;
    // Continued as a fraction or an exponent it is a number, but not a plain integer.
    if (this.position === start || leadingZero || after === 0x2e || after === 0x65 || after === 0x45) {
      this.position = start;
      const text = this.numberText(start);
      throw this.errorHere(
        `${what} must consist of non-negative integers, found ${text === '' ? this.found() : quote(text)}`,
      );
    }
    return value;
  }

  /** A string as it is; a number, true, false or null as its text. Lists and objects are refused. */
  scalar(what: string): string {
    this.skipBlanks();
    if (this.bytes[this.position] === QUOTE) return this.string(what);
    const rest = this.bytes.toString('latin1', this.position, this.position + 64);
    const text = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.+-])/.exec(rest)?.[0];
    if (text === undefined)
      throw this.errorHere(`${what} must be a string, a number, true, false or null, found ${this.found()}`);
    this.position += text.length;
    return text;
  }

  /** Steps over `null`, if that is what comes next. */
  nothing(): boolean {
    this.skipBlanks();
    if (this.bytes.toString('latin1', this.position, this.position + 4) !== 'null') return false;
    this.position += 4;
    return true;
  }

  /**
   * A value of any kind, with a pause after each part of it: a scalar as by `scalar`, an object or a list as the text
   * that stands there.
   */
  *value(what: string, depth = 0): Generator<void, string> {
    this.skipBlanks();
    const start = this.position;
    const open = this.bytes[start] === 0x7b ? '{' : this.bytes[start] === 0x5b ? '[' : undefined;
    if (open === undefined) return this.scalar(what);
    if (depth === MOST_NESTED) throw this.errorHere(`${what} is nested more than ${MOST_NESTED} deep`);
    for (let more = this.enter(open, what); more; more = this.next(open === '{' ? '}' : ']', what)) {
      if (open === '{') this.key(what);
      yield* this.value(what, depth + 1);
      yield;
    }
    if (depth > 0) return '';
    this.textLeft -= this.position - start;
    if (this.textLeft < 0) throw this.tooMuchText();
    return this.bytes.toString('utf8', start, this.position);
  }

  /** Checks, with pauses, that nothing but padding follows: spaces, or blanks of any kind. */
  *end(padding: 'spaces' | 'blanks'): Generator<void, void> {
    const { bytes } = this;
    while (bytes[this.position] === SPACE || (padding === 'blanks' && isBlank(bytes[this.position]))) {
      this.position++;
      if (this.position % BLANK_RUN === 0) yield;
    }
    if (this.position < bytes.length)
      throw this.errorHere(`expected nothing after the closing "}", found ${this.found()}`);
  }

  private tooMuchText(): TensimError {
    return this.errorHere(
      `names and other text in the ${this.source.part} exceed ${byteCount(this.textLimit)}, the most that is read`,
    );
  }

  private skipBlanks(): void {
    const start = this.position;
    while (isBlank(this.bytes[this.position]))
      if (++this.position - start > BLANK_RUN)
        throw this.errorHere(`more than ${count(BLANK_RUN)} blanks in a row within the ${this.source.part}`);
  }

  private expect(character: string, expectation: string): void {
    this.skipBlanks();
    if (this.bytes[this.position] !== character.charCodeAt(0))
      throw this.errorHere(`${expectation}, found ${this.found()}`);
    this.position++;
  }

  /** A name for what stands at the place reached. */
  private found(): string {
    const byte = this.bytes[this.position];
    if (byte === undefined) return `the end of the ${this.source.part}`;
    if (byte === QUOTE) return 'a string';
    if (byte === MINUS || isDigit(byte)) return `the number ${quote(this.numberText(this.position))}`;
    if (byte === 0x5b) return 'a list';
    if (byte === 0x7b) return 'an object';
    const word = /^(?:true|false|null)\b/.exec(this.bytes.toString('latin1', this.position, this.position + 6));
    if (word !== null) return word[0];
    return byte > SPACE && byte < 0x7f ? quote(String.fromCharCode(byte)) : `the byte 0x${byte.toString(16)}`;
  }

  private numberText(start: number): string {
    return /^[-+.\deE]*/.exec(this.bytes.toString('latin1', start, start + 64))?.[0] ?? '';
  }

  /**
   * Resolves the escapes of the string between two places. The result is never longer than the source, in UTF-8 too.
   */
  private unescaped(start: number, end: number, what: string): string {
    const { bytes } = this;
    const out = Buffer.allocUnsafe(end - start);
    let length = 0;
    let from = start;
    while (from < end) {
      const byte = bytes[from++];
      if (byte !== BACKSLASH) {
        out[length++] = byte;
        continue;
      }
      const letter = String.fromCharCode(bytes[from++]);
      const simple = 'bfnrt"\\/'.indexOf(letter);
      if (simple >= 0) {
        out[length++] = '\b\f\n\r\t"\\/'.charCodeAt(simple);
        continue;
      }
      let code = letter === 'u' ? this.hexadecimal(from, end) : -1;
      from += 4;
      if (code >= 0xd800 && code < 0xdc00 && bytes[from] === BACKSLASH && bytes[from + 1] === 0x75) {
        const low = this.hexadecimal(from + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          from += 6;
        }
      }
      if (code < 0) throw this.errorHere(`${what} contains an invalid escape`);
      if (code >= 0xd800 && code < 0xe000) throw this.errorHere(`${what} contains half a surrogate pair`);
      length += out.write(String.fromCodePoint(code), length);
    }
    return out.toString('utf8', 0, length);
  }

  /** The value of four hexadecimal digits, or −1. */
  private hexadecimal(from: number, end: number): number {
    const text = this.bytes.toString('latin1', from, Math.min(from + 4, end));
    return /^[\da-fA-F]{4}$/.test(text) ? Number.parseInt(text, 16) : -1;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
