/**
 * What the sampler saves on networks of two and three hidden layers that learned the digits (examples/digits-deep), each
 * with one from another seed and with a copy whose weights have moved by a tenth: how many plain samples, independent
 * inputs from N(0, I), have the same error as one of its own, beside frames alone and beside frames with the surrogate
 * (MATH.md section 15).
 *
 *     npm run bench -- surrogate [--seeds N] [--tolerance T] [--filter NAME] [--backend native|fallback] [--json FILE]
 *
 * Medians over N seeds of the inputs; "off" is how far the similarities of the runs are from the mean of all plain
 * samples in standard errors, as a root mean square.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import type { BackendName } from '../lib/backend/backend.js';
import { evaluate } from '../lib/evaluation/evaluate.js';
import type { Model } from '../lib/model/model.js';
import { loadModel } from '../lib/model/reading/load.js';
import { INTERVAL } from '../lib/similarity/sampled/jackknife.js';
import { similarity } from '../lib/similarity/similarity.js';
import { tensor } from '../lib/tensor/tensor.js';
import { random } from '../test/support/random.js';
import { moved } from './coverage/networks.js';
import { cell, formatTable, median } from './support.js';

const EXAMPLES = join('examples', 'digits-deep');
const KINDS = ['relu2', 'relu3', 'gelu2', 'gelu3'] as const;
/** Of independent inputs, in batches. */
const PLAIN = 2 ** 18;
const BATCH = 2 ** 13;

/** The similarity by plain samples, and the variance of what one of them adds to it. */
async function plainly(f: Model, g: Model): Promise<{ similarity: number; variance: number }> {
  const draw = random(1);
  const features = f.inputShape[1];
  const products: [number, number, number][] = [];
  for (let first = 0; first < PLAIN; first += BATCH) {
    const inputs = tensor(
      Float64Array.from({ length: BATCH * features }, () => draw.normal()),
      [BATCH, features],
    );
    const [a, b] = [(await evaluate(f, inputs)).data, (await evaluate(g, inputs)).data];
    const width = a.length / BATCH;
    for (let s = 0; s < BATCH; s++) {
      const sums: [number, number, number] = [0, 0, 0];
      for (let i = s * width; i < (s + 1) * width; i++) {
        sums[0] += a[i] * a[i];
        sums[1] += a[i] * b[i];
        sums[2] += b[i] * b[i];
      }
      products.push(sums);
    }
  }
  const [ff, fg, gg] = [0, 1, 2].map((part) => products.reduce((sum, all) => sum + all[part] / PLAIN, 0));
  const cosine = fg / Math.sqrt(ff * gg);
  const variance = products.reduce((sum, [x, y, z]) => {
    return sum + (y / Math.sqrt(ff * gg) - (cosine / 2) * (x / ff + z / gg)) ** 2 / PLAIN;
  }, 0);
  return { similarity: cosine, variance };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '7' },
      tolerance: { type: 'string', default: '0.0005' },
      filter: { type: 'string', default: '' },
      backend: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const backend = values.backend as BackendName | undefined;
  const tolerance = Number(values.tolerance);
  const rows: string[][] = [];
  const found: object[] = [];
  for (const kind of KINDS.filter((name) => name.includes(values.filter))) {
    const [f, other] = await Promise.all(
      [0, 1].map((seed) => loadModel(join(EXAMPLES, `${kind}_seed${seed}.safetensors`))),
    );
    for (const [name, g] of [
      ['another seed', other],
      ['moved by a tenth', moved(random(5), f, 0.1)],
    ] as const) {
      const plain = await plainly(f, g);
      const factors: number[] = [];
      const ratios: number[] = [];
      let off = 0;
      let samples = 0;
      for (let seed = 0; seed < Number(values.seeds); seed++) {
        const result = await similarity(f, g, { method: 'sampled', tolerance, seed, backend });
        const { sampling, standardError } = result;
        factors.push(plain.variance / (sampling!.samples * (sampling!.interval / INTERVAL) ** 2));
        ratios.push(sampling!.surrogate?.varianceRatio ?? 1);
        samples += sampling!.samples / Number(values.seeds);
        const error = Math.hypot(standardError!, Math.sqrt(plain.variance / PLAIN));
        off += ((result.similarity - plain.similarity) / error) ** 2 / Number(values.seeds);
      }
      const summary = { plain: median(factors), frames: median(factors.map((factor, i) => factor * ratios[i])) };
      found.push({ kind, name, ...plain, ...summary, factors, ratios, samples, off: Math.sqrt(off) });
      rows.push([
        kind,
        name,
        plain.similarity.toFixed(4),
        Math.sqrt(plain.variance).toFixed(4),
        samples.toFixed(0),
        cell(summary.frames),
        cell(summary.plain),
        Math.sqrt(off).toFixed(2),
      ]);
    }
  }
  const head = ['networks', 'with', 'similarity', 'σ₁', 'samples', 'frames', 'and surrogate', 'off'];
  console.log(formatTable(head, rows));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(found, null, 1)}\n`);
}

try {
  await main();
} catch (error) {
  console.error(`bench surrogate: ${(error as Error).message}`);
  process.exitCode = 1;
}
