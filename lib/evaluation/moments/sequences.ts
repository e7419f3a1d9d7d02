import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { fileChanged, onceMore } from '../../formats/changed.js';
import { SourceFile } from '../../formats/source_file.js';
import { localFile } from '../../hub/local_file.js';
import type { IntegerTensor } from '../../tensor/integers.js';
import { quote, valueText } from '../../words/quoting.js';
import { loadInputs } from '../inputs_file.js';

/** Sequences of token ids, perhaps of different lengths: lists, or the rows of a tensor. */
export type Sequences = readonly (readonly number[])[] | IntegerTensor;

/** Endings of files of text. */
const TEXT = /\.(?:json|jsonl|txt|csv|tsv|ids)$/i;

/**
 * Reads sequences of token ids: a file of a format that holds tensors (.npy, .safetensors …), with whole numbers (n,
 * positions); a .json list of lists; or text (.txt, .jsonl …) with the ids of a sequence on each line.
 * @throws TensimError as `loadInputs`; `INVALID_FILE` for what are no ids, with the line
 */
export async function loadSequences(path: string, signal?: AbortSignal): Promise<Sequences> {
  if (TEXT.test(path)) return readIds(await localFile(path, signal), path, signal);
  const found = await loadInputs(path, signal);
  if (found.data instanceof Int32Array) return found as IntegerTensor;
  throw new TensimError('INVALID_FILE', 'holds numbers that are not whole, and token ids are', {
    file: path,
    hint: 'Store them as integers: tokens.astype("int32")',
  });
}

const MARK = Buffer.from('\ufeff');

/** Bytes of a file of text that are read at once. */
const CHUNK = 1 << 16;

async function readIds(local: string, path: string, signal: AbortSignal | undefined): Promise<number[][]> {
  return onceMore(async () => {
    const file = await SourceFile.open(local);
    try {
      const scanner = new IdScanner(path);
      const bytes = Buffer.alloc(CHUNK);
      for (let at = 0; at < file.size; at += CHUNK) {
        signal?.throwIfAborted();
        const part = bytes.subarray(0, Math.min(CHUNK, file.size - at));
        await file.read(part, at);
        // UTF-8 may begin with a mark that it is that.
        scanner.add(at === 0 && MARK.equals(part.subarray(0, MARK.length)) ? part.subarray(MARK.length) : part);
      }
      if (!((await file.readsTheSame()) && (await file.isInPlace()))) throw fileChanged(path);
      return scanner.end();
    } finally {
      await file.close();
    }
  }, signal);
}

const [NEWLINE, BLANK, COMMA, OPEN, CLOSE, ZERO] = ['\n', ' ', ',', '[', ']', '0'].map((one) => one.charCodeAt(0));
const BETWEEN: ReadonlySet<number> = new Set([...'\t\r;'].map((one) => one.charCodeAt(0)).concat(BLANK, COMMA));

/** Reads whole numbers: of a .json, a sequence ends with its bracket; of text, with its line. */
class IdScanner {
  readonly #path: string;
  readonly #isJson: boolean;
  readonly #sequences: number[][] = [];
  #sequence: number[] = [];
  /** That is being read; −1: none. */
  #number = -1;
  #line = 1;

  constructor(path: string) {
    this.#path = path;
    this.#isJson = /\.json$/i.test(path);
  }

  add(bytes: Uint8Array): void {
    for (const byte of bytes) {
      const digit = byte - ZERO;
      if (digit >= 0 && digit <= 9) {
        this.#number = Math.max(this.#number, 0) * 10 + digit;
        if (this.#number > 0x7fffffff) this.#refuse('a number that is no token id');
        continue;
      }
      if (this.#number >= 0) this.#sequence.push(this.#number);
      this.#number = -1;
      if (byte === NEWLINE) this.#line++;
      if (byte === (this.#isJson ? CLOSE : NEWLINE)) this.#endSequence();
      else if (![NEWLINE, OPEN, CLOSE].includes(byte) && !BETWEEN.has(byte))
        this.#refuse(`${quote(String.fromCharCode(byte))}, which is no part of a list of token ids`);
    }
  }

  end(): number[][] {
    if (this.#number >= 0) this.#sequence.push(this.#number);
    this.#endSequence();
    return this.#sequences;
  }

  #endSequence(): void {
    if (this.#sequence.length > 0) this.#sequences.push(this.#sequence);
    this.#sequence = [];
  }

  #refuse(what: string): never {
    throw new TensimError('INVALID_FILE', `has ${what}, in line ${this.#line}`, {
      file: this.#path,
      hint: 'Each line, or list of a .json, is a sequence of ids; text is to be put into tokens before',
    });
  }
}

/** Sequences of one length. */
export interface Group {
  readonly positions: number;
  /** One after the other. */
  readonly tokens: Int32Array;
}

/**
 * Sequences by their lengths.
 * @throws TensimError `INVALID_ARGUMENT` for what are no sequences, and for ids that are not below `vocabulary`;
 * `SHAPE_MISMATCH` for one that is longer than `most`
 */
export async function grouped(
  sequences: Sequences,
  vocabulary: number,
  most: number,
  pacer: Pacer,
): Promise<readonly Group[]> {
  const byLength = new Map<number, (readonly number[] | Int32Array)[]>();
  let index = 0;
  for (const sequence of rowsOf(sequences)) {
    const { length } = sequence;
    if (length === 0) throw new TensimError('INVALID_ARGUMENT', `sequence ${index} has no tokens`);
    if (length > most)
      throw new TensimError('SHAPE_MISMATCH', `sequence ${index} has ${length} tokens, the model ${most} positions`);
    const odd = sequence.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabulary));
    if (odd !== undefined)
      throw new TensimError('INVALID_ARGUMENT', `sequence ${index} has the token ${valueText(odd)}`, {
        hint: `Tokens are whole numbers from 0 to ${vocabulary - 1}`,
      });
    const alike = byLength.get(length) ?? [];
    byLength.set(length, alike);
    alike.push(sequence);
    index++;
    if (pacer.due(WORK * length)) await pacer.pause();
  }
  if (index === 0) throw new TensimError('INVALID_ARGUMENT', 'there are no sequences of tokens');
  const groups: Group[] = [];
  for (const [positions, all] of byLength) {
    const tokens = new Int32Array(positions * all.length);
    for (const [i, sequence] of all.entries()) {
      tokens.set(sequence, i * positions);
      if (pacer.due(positions)) await pacer.pause();
    }
    groups.push({ positions, tokens });
  }
  return groups;
}

/** Multiply-adds that take as long as looking at a token. */
const WORK = 8;

function* rowsOf(sequences: Sequences): Generator<readonly number[] | Int32Array> {
  if (Array.isArray(sequences)) {
    for (const [index, sequence] of sequences.entries()) {
      if (Array.isArray(sequence)) yield sequence;
      else throw new TensimError('INVALID_ARGUMENT', `sequence ${index} is not a list of token ids`);
    }
    return;
  }
  const { data, shape } = Object(sequences) as Partial<IntegerTensor>;
  const isTensor = data instanceof Int32Array && Array.isArray(shape) && (shape.length === 1 || shape.length === 2);
  if (!isTensor)
    throw new TensimError(
      'INVALID_ARGUMENT',
      'sequences must be lists of token ids, or a tensor (n, positions) of them',
    );
  const length = shape[shape.length - 1];
  for (let at = 0; at < data.length; at += length) yield data.subarray(at, at + length);
}
