import { endianness } from 'node:os';
import type { DrawsText, SurrogatesText } from '../../similarity/jobs/samples.js';
import type { Basis } from '../../similarity/sampled/basis.js';
import type { GroupSize, GroupState } from '../../similarity/sampled/group.js';
import { GROUPS } from '../../similarity/sampled/jackknife.js';
import { watchedPairs } from '../../similarity/sampled/monitor.js';
import { PERIOD } from '../../similarity/sampled/proposal.js';
import { type GroupTails, KEPT } from '../../similarity/sampled/tails.js';
import { isWhole } from '../header.js';
import { headerIn, type SampledHeader, sizeIn } from './header.js';

/** A stage of samples that was decided on: which samples they are, and what they are held against. */
export interface KeptStage {
  /** From 1. */
  readonly number: number;
  readonly inputs: number;
  /** Samples of a batch at most. */
  readonly most: number;
  readonly draws: DrawsText;
  readonly surrogates?: SurrogatesText;
  /** With surrogates, as in `Variates`. */
  readonly varianceRatio: number | null;
  readonly basis: Basis;
}

/** What a group of a stage has added up to; of several the last counts. */
export interface KeptGroup {
  readonly stage: number;
  readonly group: number;
  readonly state: GroupState;
}

/**
 * What a state file of samples records, behind a byte for the kind and the length of what follows (u32):
 *
 *     header   0, JSON: which part of which matrix the file is; what stood before it counts no more
 *     stage    1, JSON; means, errors and plain errors of the stage before, by slice (f64)
 *     group    2, JSON; its sums, and what is known of the tails of norms and of influences (f64)
 *
 * Numbers are little-endian.
 */
export type SampledRecord =
  | { readonly kind: 'header'; readonly header: SampledHeader }
  | { readonly kind: 'stage'; readonly stage: KeptStage }
  | { readonly kind: 'group'; readonly kept: KeptGroup };

const KINDS = ['header', 'stage', 'group'] as const;
const HEAD = 5;

export function encodeRecord(record: SampledRecord): Buffer {
  switch (record.kind) {
    case 'header':
      return encode(record.kind, record.header, []);
    case 'stage': {
      const { basis, ...stage } = record.stage;
      const { samples, means, errors, plainErrors } = basis;
      return encode(record.kind, { ...stage, samples }, [...means, ...errors, ...plainErrors]);
    }
    case 'group': {
      const { stage, group, state } = record.kept;
      const { sums, watched, ...told } = state;
      const numbers = [sums, ...numbersOf(watched.norms), ...numbersOf(watched.influences)];
      return encode(record.kind, { stage, group, ...told }, numbers);
    }
  }
}

const numbersOf = ({ units, sums, squares, kept, largest }: GroupTails) => [
  units,
  sums,
  squares,
  Float64Array.from(kept),
  largest,
];

function encode(kind: SampledRecord['kind'], told: object, numbers: readonly Float64Array[]): Buffer {
  const text = Buffer.from(JSON.stringify(told));
  const count = numbers.reduce((sum, { length }) => sum + length, 0);
  const bytes = Buffer.alloc(HEAD + text.length + 8 * count);
  bytes[0] = KINDS.indexOf(kind);
  bytes.writeUInt32LE(text.length, 1);
  text.copy(bytes, HEAD);
  let at = HEAD + text.length;
  for (const part of numbers) {
    const own = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    own.copy(bytes, at);
    if (endianness() === 'BE') bytes.subarray(at, at + own.length).swap64();
    at += own.length;
  }
  return bytes;
}

/**
 * The record of a payload that has passed its check; undefined for one that nothing writes.
 * @param header of the part that the record is of; undefined where none has come yet.
 */
export function decodeRecord(payload: Buffer, header: SampledHeader | undefined): SampledRecord | undefined {
  const text = payload.length < HEAD ? -1 : payload.readUInt32LE(1);
  if (text < 0 || HEAD + text > payload.length) return undefined;
  const json = payload.toString('utf8', HEAD, HEAD + text);
  const kind = KINDS[payload[0]];
  try {
    if (kind === 'header') {
      const own = headerIn(json);
      return own && { kind, header: own };
    }
    if (header === undefined || kind === undefined) return undefined;
    const numbers = new Numbers(payload.subarray(HEAD + text));
    const size = sizeIn(header);
    return kind === 'stage'
      ? stageOf(JSON.parse(json), numbers, size, header)
      : groupOf(JSON.parse(json), numbers, size);
  } catch {
    return undefined;
  }
}

function stageOf(
  told: Omit<KeptStage, 'basis'> & { samples: number },
  numbers: Numbers,
  size: GroupSize,
  header: SampledHeader,
): SampledRecord | undefined {
  const { samples, ...stage } = told;
  const { number, inputs, most, draws, surrogates, varianceRatio } = stage;
  const cells = size.functions ** 2;
  if (!numbers.has(3 * size.slices * cells)) return undefined;
  const isSound =
    isWhole(number, 1, 15) &&
    isWhole(inputs, 1, header.maxSamples) &&
    isWhole(most / PERIOD, 1, 2 ** 16) &&
    isWhole(samples, 1) &&
    typeof draws === 'object' &&
    (varianceRatio === null
      ? surrogates === undefined
      : typeof varianceRatio === 'number' && typeof surrogates === 'object');
  if (!isSound) return undefined;
  const [means, errors, plainErrors] = Array.from({ length: 3 }, () =>
    Array.from({ length: size.slices }, () => numbers.next(cells)),
  );
  return { kind: 'stage', stage: { ...stage, basis: { samples, means, errors, plainErrors } } };
}

function groupOf(
  told: Omit<KeptGroup, 'state'> & Omit<GroupState, 'sums' | 'watched'>,
  numbers: Numbers,
  { models, functions, slices }: GroupSize,
): SampledRecord | undefined {
  const { stage, group, batches, count, lost, exponents } = told;
  const isSound =
    isWhole(stage, 1, 15) &&
    isWhole(group, 0, GROUPS - 1) &&
    isWhole(batches, 1) &&
    isWhole(count, 1) &&
    isWhole(lost, 0, count) &&
    exponents.length === models &&
    exponents.every((exponent) => isWhole(exponent, -(2 ** 30), 2 ** 30));
  if (!isSound) return undefined;
  const sums = numbers.next(functions ** 2 * slices);
  const tails = (quantities: number): GroupTails => {
    const [units, own, squares, kept] = Array.from({ length: 4 }, () => numbers.next(quantities));
    if (!kept.every((most) => isWhole(most, 0, KEPT))) throw new RangeError('no number of values');
    const largest = numbers.next(kept.reduce((sum, most) => sum + most, 0));
    return { count, units, sums: own, squares, kept: Int32Array.from(kept), largest };
  };
  const norms = tails(models * slices);
  const influences = tails(watchedPairs(models).length * slices);
  if (!numbers.has(0)) return undefined;
  return {
    kind: 'group',
    kept: { stage, group, state: { batches, count, lost, exponents, sums, watched: { norms, influences } } },
  };
}

/** Numbers that lie one after the other; asked for more than there are, it throws. */
class Numbers {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Whether exactly so many are left. */
  has(count: number): boolean {
    return this.#bytes.length - this.#at === 8 * count;
  }

  next(count: number): Float64Array {
    const end = this.#at + 8 * count;
    if (end > this.#bytes.length) throw new RangeError('not so many numbers');
    const own = new Uint8Array(this.#bytes.subarray(this.#at, end));
    this.#at = end;
    if (endianness() === 'BE') Buffer.from(own.buffer).swap64();
    return new Float64Array(own.buffer);
  }
}
