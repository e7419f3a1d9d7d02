/**
 * The pair kernel: native on every instruction set of this machine against the fallback, one thread each.
 *
 *   npm run bench -- pair [--rounds N] [--json FILE]
 *
 * Flops are those of MATH.md section 3, 2·(2h)²·d + 2·h²·o per pair. The peak is what the same core reaches with
 * multiply-adds on registers alone. Both are measured in the same rounds, one backend after the other, and medians are
 * reported: neighbours on the machine come and go.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import type { ChainSource } from '../lib/backend/grams.js';
import { FALLBACK } from '../lib/fallback/backend.js';
import { loadNative } from '../lib/machines/native.js';
import type { DType } from '../lib/tensor/tensor.js';
import { fillPseudoRandom, formatTable, median } from './support.js';

interface Shape {
  readonly d: number;
  readonly h: number;
  readonly o: number;
}

interface Request {
  readonly shape: Shape;
  readonly dtype: DType;
}

interface Answer {
  /** Flops per second of the pair kernel. */
  readonly rate: number;
  /** Flops per second on registers; 0 where it cannot be measured. */
  readonly peak: number;
}

interface Row extends Shape {
  readonly dtype: DType;
  readonly kernel: string;
  readonly gflops: number;
  readonly percentOfPeak: number;
  readonly timesFallback: number;
}

const SHAPES: readonly Shape[] = [
  { d: 64, h: 32, o: 10 },
  { d: 226, h: 64, o: 113 },
  { d: 1024, h: 64, o: 10 },
  { d: 784, h: 256, o: 10 },
];
const DTYPES: readonly DType[] = ['float64', 'float32'];

const flopsPerPair = ({ d, h, o }: Shape) => 2 * (2 * h) ** 2 * d + 2 * h * h * o;

function chain({ d, h, o }: Shape, seed: number): ChainSource {
  const matrix = (rows: number, columns: number, salt: number) => ({
    data: fillPseudoRandom(new Float32Array(rows * columns), 97 * seed + salt),
    shape: [rows, columns],
  });
  const [left, right, down] = [matrix(h, d, 1), matrix(h, d, 2), matrix(o, h, 3)];
  return {
    kind: 'chain',
    inputs: d,
    positions: 1,
    method: 'one-block',
    law: { sigma: 1 },
    layers: [{ type: 'bilinear', left, right, down, alpha: 0, beta: 1 }],
  };
}

/** Answers requests of the parent: this process has one backend, on one instruction set. */
async function serve(kernel: string): Promise<void> {
  const native = kernel === 'fallback' ? undefined : loadNative();
  if (native && 'reason' in native) throw new Error(native.reason);
  const backend = native?.backend ?? FALLBACK;
  process.on('message', async ({ shape, dtype }: Request) => {
    // About a tenth of a second of work at a guessed rate: enough models for their pairs to be seen from memory, not
    // from cache.
    const pairs = Math.max(1, (native ? 4e9 : 2e8) / flopsPerPair(shape));
    const count = Math.max(1, Math.min(41, Math.round(Math.sqrt(2 * pairs))));
    const models = [];
    for (let i = 0; i < count; i++) models.push(await backend.grams.prepare(chain(shape, i), dtype, { threads: 1 }));
    const job = { measure: 'gaussian', symmetric: true, perOutput: false } as const;
    const peak = native ? await native.backend.peak(dtype, 0.1) : 0;
    const start = performance.now();
    let done = 0;
    do {
      await backend.grams.tile(job, models, models, { threads: 1 });
      done += (count * (count + 1)) / 2;
    } while (performance.now() - start < 100);
    const seconds = (performance.now() - start) / 1e3;
    for (const model of models) model.dispose();
    process.send!({ rate: (done * flopsPerPair(shape)) / seconds, peak } satisfies Answer);
  });
}

function ask(child: ChildProcess, request: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a benchmark process ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (answer) => {
      child.off('exit', ended);
      resolve(answer as Answer);
    });
    child.send(request);
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '7' }, json: { type: 'string' } },
    args: process.argv.slice(2),
  });
  const native = loadNative();
  const sets = 'reason' in native ? [] : String(native.details['instruction sets available']).split(', ');
  if ('reason' in native) console.error(`native: not available (${native.reason}); measuring the fallback alone`);
  const kernels = ['fallback', ...sets];
  const children = kernels.map((kernel) => {
    const env = { ...process.env, TENSIM_BENCH_KERNEL: kernel, TENSIM_CPU: kernel === 'fallback' ? '' : kernel };
    return fork(fileURLToPath(import.meta.url), { env });
  });
  const rows: Row[] = [];
  for (const shape of SHAPES) {
    for (const dtype of DTYPES) {
      const answers: Answer[][] = kernels.map(() => []);
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const [k, child] of children.entries()) answers[k].push(await ask(child, { shape, dtype }));
      }
      const rates = answers.map((list) => median(list.map((answer) => answer.rate)));
      const peak = Math.max(...answers.map((list) => median(list.map((answer) => answer.peak))));
      for (const [k, kernel] of kernels.entries()) {
        const rate = rates[k];
        rows.push({
          ...shape,
          dtype,
          kernel,
          gflops: rate / 1e9,
          percentOfPeak: peak > 0 ? (100 * rate) / peak : Number.NaN,
          timesFallback: rate / rates[0],
        });
      }
    }
  }
  for (const child of children) child.disconnect();
  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, one thread, medians of ${values.rounds} interleaved rounds`);
  console.log('% of peak: of the multiply-add rate of the best instruction set, measured in the same rounds\n');
  console.log(
    formatTable(
      ['d', 'h', 'o', 'dtype', 'kernel', 'GFLOP/s', '% of peak', '× fallback'],
      rows.map((row) => [
        String(row.d),
        String(row.h),
        String(row.o),
        row.dtype,
        row.kernel,
        row.gflops.toFixed(1),
        Number.isNaN(row.percentOfPeak) ? '–' : row.percentOfPeak.toFixed(1),
        row.timesFallback.toFixed(1),
      ]),
    ),
  );
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ benchmark: 'pair', rows }, null, 2)}\n`);
}

const kernel = process.env.TENSIM_BENCH_KERNEL;
await (kernel === undefined ? main() : serve(kernel));
