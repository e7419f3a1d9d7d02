import { mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Random, random } from '../../support/random.js';
import { Corpus } from './corpus.js';
import { forgetBranches, forgetCounts, newBranches } from './coverage.js';
import { minimised } from './minimise.js';
import { type Finding, type Outcome, observe } from './observe.js';
import type { Reader, Target } from './target.js';

/** What a target came to. */
export interface Tally {
  readonly target: string;
  executions: number;
  accepted: number;
  deep: number;
  refused: number;
  /** Inputs that differ in what they reach. */
  corpus: number;
  seconds: number;
}

/** An input that something is wrong with, as small as it could be made. */
export interface Found {
  readonly target: string;
  readonly finding: Finding;
  readonly input: Uint8Array;
}

/** The fuzzing of one target: its corpus, what it has done and found. */
export class Fuzzing {
  readonly target: Target;
  readonly corpus: Corpus;
  readonly tally: Tally;
  readonly found = new Map<string, Found>();
  readonly #read: Reader;
  readonly #random: Random;
  readonly #guided: boolean;
  readonly #journal: Journal;

  private constructor(target: Target, read: Reader, inputs: readonly Uint8Array[], settings: Settings) {
    this.target = target;
    this.corpus = new Corpus(inputs);
    this.tally = { target: target.name, executions: 0, accepted: 0, deep: 0, refused: 0, corpus: 0, seconds: 0 };
    this.#read = read;
    this.#random = random(settings.seed);
    this.#guided = settings.guided;
    this.#journal = settings.journal;
  }

  /** Reads all inputs that are known, and begins from them. */
  static async of(target: Target, known: readonly Uint8Array[], settings: Settings): Promise<Fuzzing> {
    const folder = join(settings.folder, target.name);
    mkdirSync(folder, { recursive: true });
    const { seeds, read } = await target.prepare(folder);
    const fuzzing = new Fuzzing(target, read, [...seeds, ...known], settings);
    for (const input of fuzzing.corpus.inputs) fuzzing.#judge(input, await fuzzing.#execute(input));
    return fuzzing;
  }

  /** Mutates inputs until `done`. */
  async run(done: (executions: number) => boolean): Promise<void> {
    const start = performance.now();
    for (let executions = 0; !done(executions); executions++) {
      const other = () => this.corpus.draw(this.#random);
      const input = this.target.mutate(other(), this.#random, other);
      const outcome = await this.#execute(input);
      if (outcome.kind !== 'found' && newBranches() > 0 && this.#guided) await this.#keep(input);
    }
    this.tally.seconds += (performance.now() - start) / 1000;
    this.tally.corpus = this.corpus.inputs.length;
  }

  /** The inputs that the others add nothing to, small ones first, of no more bytes in all. */
  async essence(bytes: number): Promise<Uint8Array[]> {
    forgetBranches();
    const chosen: Uint8Array[] = [];
    let left = bytes;
    for (const input of this.corpus.inputs.toSorted((a, b) => a.length - b.length)) {
      if (input.length > left) break;
      const outcome = await this.#execute(input);
      if (outcome.kind === 'found' || newBranches() === 0) continue;
      chosen.push(input);
      left -= input.length;
    }
    return chosen;
  }

  /** What reaches something new is looked at more closely, and mutated from now on. */
  async #keep(input: Uint8Array): Promise<void> {
    this.corpus.add(input);
    this.#judge(input, await this.#execute(input, true));
  }

  #judge(input: Uint8Array, outcome: Outcome): void {
    if (outcome.kind === 'accepted' && outcome.accepted.deep) this.corpus.isDeep(input);
  }

  async #execute(input: Uint8Array, thorough = false): Promise<Outcome> {
    this.#journal.note(this.target.name, input);
    forgetCounts();
    const outcome = await observe(this.target, this.#read, input, thorough || this.#random.uniform() < 1 / 64);
    this.tally.executions++;
    if (outcome.kind === 'accepted') {
      this.tally.accepted++;
      if (outcome.accepted.deep) this.tally.deep++;
    } else if (outcome.kind === 'refused') this.tally.refused++;
    else await this.#report(input, outcome.finding);
    return outcome;
  }

  async #report(input: Uint8Array, finding: Finding): Promise<void> {
    if (this.found.has(finding.key)) return;
    this.found.set(finding.key, { target: this.target.name, finding, input });
    const smallest = await minimised(this.target, input, async (candidate) => {
      this.#journal.note(this.target.name, candidate);
      const outcome = await observe(this.target, this.#read, candidate, finding.kind === 'wrong');
      return outcome.kind === 'found' && outcome.finding.key === finding.key;
    });
    this.found.set(finding.key, { target: this.target.name, finding, input: smallest });
  }
}

export interface Settings {
  readonly seed: number;
  /** For the files that targets read. */
  readonly folder: string;
  /** Whether inputs that reach something new are mutated further; without, input number n of a seed never changes. */
  readonly guided: boolean;
  readonly journal: Journal;
}

/** Says what is being read, in a file: if the process ends over it, the input is there. */
export class Journal {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  /** The length stands before the input: what a longer one has left behind it is not cut off each time. */
  note(target: string, input: Uint8Array): void {
    const head = Buffer.from(`${target} ${input.length}\n`);
    writeSync(this.#file, Buffer.concat([head, input]), 0, head.length + input.length, 0);
  }
}
