/**
 * Exact pairs of networks of one block of activations, on one thread, in shares of the peak measured in the same rounds;
 * and beside them, where numpy is, what it takes numpy to get there: by the formulas, and by Monte Carlo to ±0.005.
 *
 *   npm run bench:activations [-- --rounds N] [--json FILE]
 *
 * Flops are those of the products alone (MATH.md sections 10 and 11): 2·h²·(d + o) of hidden units, 2·h²·(4d + o) of
 * gated ones. Models are drawn at random, as at the start of training. Times are processor time.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import type { ChainSource, PreparedModel } from '../lib/backend/grams.js';
import { FALLBACK } from '../lib/fallback/backend.js';
import { loadNative } from '../lib/machines/native.js';
import type { Layer } from '../lib/model/model.js';
import type { DType } from '../lib/tensor/tensor.js';
import { PythonPeer } from './python.js';
import { fillPseudoRandom, formatTable, median, timeCell } from './support.js';
import { type Timed, takeTurns, timeProcessor } from './turns.js';

interface Shape {
  readonly type: 'hidden' | 'gated';
  readonly activation: string;
  readonly d: number;
  readonly h: number;
  readonly o: number;
}

interface Row extends Shape {
  readonly dtype: DType;
  readonly who: string;
  readonly seconds: number;
  /** Of the peak; absent of what is not counted by these flops. */
  readonly percentOfPeak?: number;
}

const SHAPES: readonly Shape[] = [
  { type: 'hidden', activation: 'gelu', d: 784, h: 512, o: 10 },
  { type: 'hidden', activation: 'relu', d: 784, h: 512, o: 10 },
  { type: 'hidden', activation: 'gelu', d: 512, h: 2048, o: 512 },
  { type: 'hidden', activation: 'relu', d: 512, h: 2048, o: 512 },
  { type: 'gated', activation: 'silu', d: 512, h: 1376, o: 512 },
];
const DTYPES: readonly DType[] = ['float64', 'float32'];
const JOB = { measure: 'gaussian', symmetric: false, perOutput: false } as const;
const CONTROL = { threads: 1 };
const SECONDS = 0.2;
/** The fallback takes whole seconds for anything larger. */
const LARGEST_FOR_FALLBACK = 1e9;

const flopsPerPair = ({ type, d, h, o }: Shape) => 2 * h * h * ((type === 'gated' ? 4 : 1) * d + o);
const named = ({ type, activation, d, h, o }: Shape) => `${type} ${activation} ${d}-${h}-${o}`;

/** Weights of a model with pre-activations of variance 1 and outputs of about that. */
function weights({ type, d, h, o }: Shape, seed: number): Record<string, Float64Array> {
  const drawn = (size: number, salt: number, deviation: number) =>
    fillPseudoRandom(new Float64Array(size), 97 * seed + salt).map((x) => x * deviation * Math.sqrt(12));
  const base = { weight: drawn(h * d, 1, d ** -0.5), bias: drawn(h, 2, 0.5), down: drawn(o * h, 3, h ** -0.5) };
  return type === 'hidden' ? base : { ...base, up: drawn(h * d, 4, d ** -0.5) };
}

function chain(shape: Shape, seed: number): ChainSource {
  const { type, activation, d, h, o } = shape;
  const parts = weights(shape, seed);
  const [weight, down] = [
    { data: parts.weight, shape: [h, d] },
    { data: parts.down, shape: [o, h] },
  ];
  const bias = { data: parts.bias, shape: [h] };
  const common = { activation, slope: null, down, alpha: 0, beta: 1 };
  const layer =
    type === 'hidden'
      ? { type, weight, bias, ...common }
      : { type, gate: weight, gateBias: bias, up: { data: parts.up, shape: [h, d] }, ...common };
  return { kind: 'chain', inputs: d, positions: 1, method: 'hidden', law: { sigma: 1 }, layers: [layer as Layer] };
}

/** A pair of models in one of the backends. */
async function pairOf(
  grams: typeof FALLBACK.grams,
  shape: Shape,
  dtype: DType,
): Promise<Timed & { readonly models: readonly PreparedModel[]; readonly total: Float64Array }> {
  const models = [];
  for (const seed of [1, 2]) models.push(await grams.prepare(chain(shape, seed), dtype, CONTROL));
  const [a, b] = models;
  const { total } = await grams.tile(JOB, models, models, CONTROL);
  return { models, total, time: (seconds) => timeProcessor(() => grams.tile(JOB, [a], [b], CONTROL), seconds) };
}

/** numpy by the formulas, and by Monte Carlo; none where there is no numpy. */
async function peersOf(peer: PythonPeer | undefined, shape: Shape, total: Float64Array) {
  if (peer === undefined) return [];
  const models = [1, 2].map((seed) => weights(shape, seed));
  const names = Object.keys(models[0]);
  await peer.ask(
    { task: 'models', ...shape, names, sizes: names.map((name) => models[0][name].length) },
    models.flatMap((model) => names.map((name) => model[name])),
  );
  const timed = (task: string): Timed => ({
    time: async (seconds) => (await peer.work({ task, seconds })).seconds as number,
  });
  const norms = Math.sqrt(total[0] * total[3]);
  for (const [task, unit, tolerance] of [
    ['formulas', norms, 1e-9],
    ['sampling', 1, 0.02],
  ] as const) {
    const found = ((await peer.work({ task, seconds: 0 })).found as number) / unit;
    const cosine = total[1] / norms;
    if (!(Math.abs(found - cosine) <= tolerance)) throw new Error(`${task} of numpy gives ${found}, not ${cosine}`);
  }
  return [
    { who: 'numpy: formulas', timed: timed('formulas') },
    { who: 'numpy: sampling to ±0.005', timed: timed('sampling') },
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, json: { type: 'string' } },
    args: process.argv.slice(2),
  });
  const native = loadNative();
  if ('reason' in native) throw new Error(`native: not available (${native.reason})`);
  const { backend, details } = native;
  const script = fileURLToPath(new URL('../../bench/activations/peer.py', import.meta.url));
  const peer = await PythonPeer.start(script, 1);
  if (peer === undefined) console.error('numpy with scipy: not available; measuring tensim alone');
  const rows: Row[] = [];
  for (const dtype of DTYPES) {
    for (const shape of SHAPES) {
      const flops = flopsPerPair(shape);
      const own = await pairOf(backend.grams, shape, dtype);
      const fallback =
        dtype === 'float64' && flops <= LARGEST_FOR_FALLBACK ? await pairOf(FALLBACK.grams, shape, dtype) : undefined;
      const contestants = [
        { who: 'native', timed: own as Timed },
        ...(fallback === undefined ? [] : [{ who: 'fallback', timed: fallback as Timed }]),
        ...(dtype === 'float64' ? await peersOf(peer, shape, own.total) : []),
      ];
      const { turns, peaks } = await takeTurns(
        contestants.map(({ timed }) => timed),
        { rounds: Number(values.rounds), turn: SECONDS, patience: 30, peak: () => backend.peak(dtype, 0.1) },
      );
      for (const [i, { who }] of contestants.entries()) {
        const seconds = median(turns[i]);
        const share = (100 * flops) / seconds / median(peaks);
        rows.push({ ...shape, dtype, who, seconds, ...(!who.includes('sampling') && { percentOfPeak: share }) });
      }
      for (const model of [...own.models, ...(fallback?.models ?? [])]) model.dispose();
    }
  }
  peer?.stop();
  const processor = cpus()[0]?.model ?? 'unknown processor';
  const set = details['instruction set'];
  console.log(`${processor} (${set}), one thread, processor time, medians of ${values.rounds} interleaved rounds`);
  console.log('% of peak: flops of the products alone, of the multiply-add rate measured in the same rounds\n');
  const cells = rows.map((row) => [
    named(row),
    row.dtype,
    row.who,
    timeCell(row.seconds),
    row.percentOfPeak === undefined ? '–' : row.percentOfPeak.toFixed(1),
  ]);
  console.log(formatTable(['pair', 'dtype', 'by', 'time', '% of peak'], cells));
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ benchmark: 'activations', rows }, null, 2)}\n`);
}

await main();
