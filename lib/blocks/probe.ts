import { createHash } from 'node:crypto';
import { Pacer } from '../cooperate.js';
import { chooseBackend } from '../machines/select.js';
import { createModel } from '../model/create.js';
import { readPiece } from '../model/transformers/pieces.js';
import { StoredFloats } from '../tensor/stored.js';
import { headFlops } from './circuits/flops.js';
import { ownProducts } from './circuits/heads.js';
import { type AttentionSide, compareSides } from './compare.js';
import { exactFlops, sampleFlops } from './mlps/choose.js';
import { exactGram } from './mlps/exact.js';
import { FIRST_SAMPLES, sampledPairs } from './mlps/sampled.js';
import type { MlpSource } from './mlps/source.js';
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

const UNITS = 256;
const HEADS = 4;
const HEAD_WIDTH = 64;
const HASHED = 32 * 2 ** 20;

/** Measures rates on blocks of a width, of a few units and heads, in bfloat16, by the very functions that compare them. */
export async function blockRates({ width, gated, needs }: Probed, given: GivenSettings): Promise<BlockRates> {
  const { threads, signal, backend: wanted } = given;
  const law = { sigma: 1 };
  const mlps = [probeMlp(width, gated, 1), probeMlp(width, gated, 2)];
  const own = { threads, signal, law };
  const exact = async () => {
    const backend = chooseBackend(wanted, { grams: { method: 'hidden', dtype: 'float64' } });
    await exactGram(mlps, { ...own, backend });
  };
  const sampled = async () => {
    const backend = chooseBackend(wanted, { normals: {}, forward: { dtype: 'float32' } });
    await sampledPairs(mlps, { ...own, backend, seed: 0, tolerance: 1, maxSamples: FIRST_SAMPLES });
  };
  const rate = async (needed: number, flops: number, run: () => Promise<void>) =>
    needed === 0 ? 0 : flops / (await best(run));
  const shape = { heads: HEADS, groups: HEADS, width: HEAD_WIDTH };
  return {
    exact: await rate(needs.exact, exactFlops(mlps), exact),
    sampled: await rate(needs.sampled, sampleFlops(mlps, FIRST_SAMPLES), sampled),
    attention: await rate(needs.attention, headFlops([shape, shape], width), () => compareHeads(width, given)),
    weights: (UNITS * width) / (await best(() => tallied(width))),
    reading: HASHED / (await best(async () => void createHash('sha256').update(new Uint8Array(HASHED)).digest())),
  };
}

/** Seconds of the better of two runs: the first also loads and compiles. */
async function best(run: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 2; round++) {
    const start = performance.now();
    await run();
    least = Math.min(least, (performance.now() - start) / 1000);
  }
  return least;
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

function probeMlp(width: number, gated: boolean, seed: number): MlpSource {
  const tensors: Readonly<Record<string, StoredFloats>> = {
    gate: probeMatrix(UNITS, width, seed),
    up: probeMatrix(UNITS, width, seed + 10),
    down: probeMatrix(width, UNITS, seed + 20),
  };
  const piece = (tensor: string) => ({ tensor });
  const mlp = {
    activation: 'silu',
    up: piece('up'),
    down: piece('down'),
    ...(gated && { gate: piece('gate') }),
  } as const;
  const norm = { gain: null, bias: null, centres: false };
  const definition = (units?: Parameters<MlpSource['part']>[0]) =>
    mlpLayer(mlp, norm, width, (one, cut) => readPiece(one, tensors[one.tensor], new Pacer(), cut), units);
  return {
    ...{ width, units: UNITS, gated, centres: false, label: 'a probe' },
    definition: () => definition(),
    done: () => {},
    part: async (units) => createModel({ layers: [await definition(units)] }).layers[0],
  };
}

async function compareHeads(d: number, given: GivenSettings): Promise<void> {
  const matrix = probeMatrix(HEADS * HEAD_WIDTH, d, 3);
  const read = ({ from, to }: { from: number; to: number }) =>
    readPiece({ tensor: '' }, matrix, new Pacer(), { rows: { from: from * HEAD_WIDTH, to: to * HEAD_WIDTH } });
  const affine = async (span: { from: number; to: number }) => ({ weight: await read(span), bias: null });
  const circuits: Circuits = {
    ...{ heads: HEADS, groups: HEADS, width: HEAD_WIDTH, rotation: null },
    ...{ query: affine, key: affine, value: affine, output: read, outputBias: null, done: () => {} },
  };
  const own = await ownProducts(circuits, d, given.window, productsBy(given).rows);
  const side: AttentionSide = { d, stored: circuits, circuits, own, isNormalised: false, isFree: true };
  await ownProducts(circuits, d, given.window, productsBy(given).rows);
  await compareSides(side, side, given);
}

async function tallied(width: number): Promise<void> {
  const matrix = probeMatrix(UNITS, width, 5);
  const [a, b] = [
    await readPiece({ tensor: '' }, matrix, new Pacer()),
    await readPiece({ tensor: '' }, matrix, new Pacer()),
  ];
  await new WeightTally().add(a, b, new Pacer());
}
