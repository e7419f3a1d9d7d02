import { createHash } from 'node:crypto';
import { Pacer } from '../cooperate.js';
import { smallest } from '../extremes.js';
import { chooseBackend } from '../machines/at_once.js';
import { createModel } from '../model/create.js';
import { readPiece, type Span } from '../model/transformers/pieces.js';
import { StoredFloats } from '../tensor/stored.js';
import { Arrays } from './arrays.js';
import { headFlops } from './circuits/flops.js';
import { ownProducts } from './circuits/heads.js';
import { compareSides } from './compare.js';
import { exactFlops, sampleFlops } from './mlps/choose.js';
import { exactGram } from './mlps/exact.js';
import { FIRST_SAMPLES, sampledPairs } from './mlps/sampled.js';
import { type MlpSource, weightsOf } from './mlps/source.js';
import type { Circuits } from './parts/circuits.js';
import { mlpLayer } from './parts/mlp.js';
import { productsBy } from './products.js';
import type { GivenSettings } from './settings.js';
import { WeightTally } from './weights.js';

/** What this machine does in a second: flops, numbers of weights, bytes. */
export interface BlockRates {
  readonly exact: number;
  readonly sampled: number;
  readonly attention: number;
  readonly weights: number;
  readonly reading: number;
}

interface Probed {
  readonly width: number;
  readonly gated: boolean;
  /** Flops of what will be done: what is not is not measured. */
  readonly needs: Readonly<Record<'exact' | 'sampled' | 'attention', number>>;
}

/** Units of an MLP, and of a larger one: what it takes beside its units does not grow with them. */
const [UNITS, MORE_UNITS] = [256, 1024];
const HEADS = 8;
const HEAD_WIDTH = 64;
const HASHED = 16 * 2 ** 20;
/** Runs of a probe, and seconds after which no more are begun. */
const RUNS = 8;
const PATIENCE = 0.7;

/** Measures rates on blocks of a width, of a few units and heads, in bfloat16, by the very functions that compare them. */
export async function blockRates({ width, gated, needs }: Probed, given: GivenSettings): Promise<BlockRates> {
  const { threads, signal, backend: wanted } = given;
  const own = { threads, signal, law: { sigma: 1 } };
  // As memory is used again where blocks are compared.
  const arrays = new Arrays();
  const pair = (units: number) => [probeMlp(width, units, gated, 1, arrays), probeMlp(width, units, gated, 2, arrays)];
  const [few, many] = [pair(UNITS), pair(MORE_UNITS)];
  const exact = async () => {
    const backend = chooseBackend(wanted, { grams: { method: 'hidden', dtype: 'float64' } });
    return exactFlops(few) / (await least(() => exactGram(few, { ...own, backend })));
  };
  const sampled = async () => {
    const backend = chooseBackend(wanted, { normals: {}, forward: { dtype: 'float32' } });
    const settings = { ...own, backend, seed: 0, tolerance: 1, maxSamples: FIRST_SAMPLES };
    const [short, long] = [
      await least(() => sampledPairs(few, settings)),
      await least(() => sampledPairs(many, settings)),
    ];
    // Of two times that something else has held up, the difference may be anything.
    const more = Math.max(long - short, long / 2);
    return (sampleFlops(many, FIRST_SAMPLES) - sampleFlops(few, FIRST_SAMPLES)) / more;
  };
  const shape = { heads: HEADS, groups: HEADS, width: HEAD_WIDTH };
  const matrix = probeMatrix(HEADS * HEAD_WIDTH, width, 3);
  const attention = async () =>
    headFlops([shape, shape], width) / (await least(() => compareHeads(matrix, width, given, arrays)));
  const bytes = new Uint8Array(HASHED);
  return {
    exact: needs.exact === 0 ? 0 : await exact(),
    sampled: needs.sampled === 0 ? 0 : await sampled(),
    attention: needs.attention === 0 ? 0 : await attention(),
    weights: (2 * HEADS * HEAD_WIDTH * width) / (await least(() => tallied(matrix, arrays))),
    reading: HASHED / (await least(async () => createHash('sha256').update(bytes).digest())),
  };
}

/** Seconds of the quickest of some runs: the first also loads and compiles. */
async function least(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  const begun = performance.now();
  do {
    const start = performance.now();
    await run();
    times.push((performance.now() - start) / 1000);
  } while (times.length < 2 || (times.length < RUNS && performance.now() - begun < 1000 * PATIENCE));
  return smallest(times);
}

/** A matrix in bfloat16 of numbers of both signs, of about 1/√columns. */
function probeMatrix(rows: number, columns: number, seed: number): StoredFloats {
  const bytes = new Uint8Array(2 * rows * columns);
  let state = seed;
  const high = 0x3f - Math.round(Math.log2(columns) / 4);
  for (let i = 0; i < bytes.length; i += 2) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
    bytes[i + 1] = high | (state & 0x80);
  }
  return new StoredFloats(bytes, 'BF16', [rows, columns]);
}

function probeMlp(width: number, units: number, gated: boolean, seed: number, arrays: Arrays): MlpSource {
  const tensors: Readonly<Record<string, StoredFloats>> = {
    gate: probeMatrix(units, width, seed),
    up: probeMatrix(units, width, seed + 10),
    down: probeMatrix(width, units, seed + 20),
  };
  const piece = (tensor: string) => ({ tensor });
  const mlp = {
    activation: 'silu',
    up: piece('up'),
    down: piece('down'),
    ...(gated && { gate: piece('gate') }),
  } as const;
  const norm = { gain: null, bias: null, centres: false };
  const definition = (part?: Span) =>
    mlpLayer(
      mlp,
      norm,
      width,
      (one, cut) => readPiece(one, tensors[one.tensor], new Pacer(), cut, taking(arrays)),
      part,
    );
  return {
    ...{ width, units, gated, centres: false, label: 'a probe' },
    definition: () => definition(),
    done: (layer) => arrays.give(weightsOf(layer)),
    part: async (part) => createModel({ layers: [await definition(part)] }).layers[0],
  };
}

async function compareHeads(matrix: StoredFloats, d: number, given: GivenSettings, arrays: Arrays): Promise<void> {
  const read = ({ from, to }: Span) =>
    readPiece(
      { tensor: '' },
      matrix,
      new Pacer(),
      { rows: { from: from * HEAD_WIDTH, to: to * HEAD_WIDTH } },
      taking(arrays),
    );
  const affine = async (span: Span) => ({ weight: await read(span), bias: null });
  const circuits: Circuits = {
    ...{ heads: HEADS, groups: HEADS, width: HEAD_WIDTH, rotation: null },
    ...{
      query: affine,
      key: affine,
      value: affine,
      output: read,
      outputBias: null,
      done: (given) => arrays.give(given),
    },
  };
  const ownOf = () => ownProducts(circuits, d, given.window, productsBy(given).rows);
  const [one, other] = [await ownOf(), await ownOf()];
  const side = { d, stored: circuits, circuits, isNormalised: false, isFree: true };
  await compareSides({ ...side, own: one }, { ...side, own: other }, given);
}

const taking = (arrays: Arrays) => (length: number) => arrays.take(length);

async function tallied(matrix: StoredFloats, arrays: Arrays): Promise<void> {
  const read = () => readPiece({ tensor: '' }, matrix, new Pacer(), {}, taking(arrays));
  const [a, b] = [await read(), await read()];
  await new WeightTally().add(a, b, new Pacer());
  arrays.give([a, b]);
}
