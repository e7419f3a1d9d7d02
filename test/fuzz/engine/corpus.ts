import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../support/random.js';
import { pick } from '../mutation/bytes.js';

/** Inputs of a target that differ in what they reach. */
export class Corpus {
  readonly #inputs: Uint8Array[];
  readonly #deep: Uint8Array[] = [];

  constructor(inputs: readonly Uint8Array[]) {
    this.#inputs = [...inputs];
  }

  get inputs(): readonly Uint8Array[] {
    return this.#inputs;
  }

  add(input: Uint8Array): void {
    this.#inputs.push(Uint8Array.from(input));
  }

  /** This input of the corpus was taken for what it claims to be. */
  isDeep(input: Uint8Array): void {
    this.#deep.push(input);
  }

  /**
   * One to be mutated: half of the time one that was accepted, since what is near those gets past the first checks, and
   * half of the others one of the last that were found, for what is near them is unknown.
   */
  draw(random: Random): Uint8Array {
    const from = this.#deep.length > 0 && random.uniform() < 0.5 ? this.#deep : this.#inputs;
    return pick(random, random.uniform() < 0.5 ? from : from.slice(-24));
  }
}

/**
 * A corpus in the tree is a file for each target, with an input in each line: as text where it is text, else in base64
 * after a `=`. Lines are sorted, so that additions are seen as such.
 */
export function readCorpus(file: string): Uint8Array[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => decoded(line));
}

export function writeCorpus(file: string, inputs: readonly Uint8Array[]): void {
  const lines = [...new Set(inputs.map(encoded))].sort();
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
}

function encoded(input: Uint8Array): string {
  const text = Buffer.from(input).toString('utf8');
  return /^[\x20-\x3c\x3e-\x7e][\x20-\x7e]*$/.test(text) ? text : `=${Buffer.from(input).toString('base64')}`;
}

function decoded(line: string): Uint8Array {
  return line.startsWith('=') ? Buffer.from(line.slice(1), 'base64') : Buffer.from(line);
}

/** The inputs of findings in a folder, each a file, by target. */
export function readFixtures(folder: string, target: string): { readonly file: string; readonly input: Uint8Array }[] {
  const own = join(folder, target);
  if (!existsSync(own)) return [];
  const names = readdirSync(own).sort();
  return names.map((name) => ({ file: join(own, name), input: readFileSync(join(own, name)) }));
}

/** Keeps the input of a finding; the name is that of its content. */
export function writeFixture(folder: string, target: string, input: Uint8Array): string {
  const own = join(folder, target);
  mkdirSync(own, { recursive: true });
  const file = join(own, createHash('sha256').update(input).digest('hex').slice(0, 16));
  writeFileSync(file, input);
  return file;
}
