import { TensimError } from '../errors.js';
import { byteCount, count } from '../words/counts.js';
import { fileChanged, onceMore } from './changed.js';
import { SourceFile } from './source_file.js';
import type { Stamp } from './stamp.js';

/**
 * The text of a file that should be small.
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE` if it is larger than `limit` bytes or no file; `FILE_CHANGED`
 */
export async function readText(path: string, limit: number): Promise<string> {
  return (await readStampedText(path, limit)).text;
}

/** The same, with what the system says of the file. */
export function readStampedText(path: string, limit: number): Promise<StampedText> {
  return onceMore(() => readOnce(path, limit));
}

interface StampedText {
  readonly text: string;
  readonly stamp: Stamp;
}

async function readOnce(path: string, limit: number): Promise<StampedText> {
  const file = await SourceFile.open(path);
  try {
    if (file.size > limit)
      throw new TensimError('INVALID_FILE', `has ${byteCount(file.size)}, at most ${byteCount(limit)} are read`, {
        file: path,
      });
    const bytes = Buffer.alloc(file.size);
    await file.read(bytes, 0);
    if (!((await file.readsTheSame()) && (await file.isInPlace()))) throw fileChanged(path);
    return { text: bytes.toString('utf8').replace(/^\uFEFF/, ''), stamp: file.stamp };
  } finally {
    await file.close();
  }
}

/** Deeper than any file of ours, or any config.json. */
const DEEPEST = 64;
/** Lists and objects of some hundred bytes each: a comparison of a million outputs has two million. */
const MOST_PARTS = 4_000_000;

/**
 * What the text of a JSON file holds, of no more levels and parts than an honest file has: what is made of it takes
 * much more memory than its text, and whoever walks down it does not run out of stack.
 * @throws SyntaxError for what is no JSON or beyond the limits
 */
export function parseJson(text: string): unknown {
  let depth = 0;
  let parts = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i + 1);
    else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      parts++;
      if (++depth > DEEPEST) throw new SyntaxError(`it is nested more than ${DEEPEST} levels deep`);
      if (parts > MOST_PARTS) throw new SyntaxError(`it has more than ${count(MOST_PARTS)} lists and objects`);
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
  }
  return JSON.parse(text);
}

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\[]{}');

/** Where the string ends that begins before `from`; the end of the text where it does not. */
function endOfString(text: string, from: number): number {
  for (let at = from; ; ) {
    const end = text.indexOf('"', at);
    if (end < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
    at = end + 1;
  }
}
