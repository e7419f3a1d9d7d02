import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { campaign } from '../../../bench/coverage/campaign.js';
import { KINDS } from '../../../bench/coverage/kinds.js';
import { coverageTable, mostOutside, summarise } from '../../../bench/coverage/results.js';
import { createModel, type LayerDefinition } from '../../../lib/model/create.js';
import type { Model } from '../../../lib/model/model.js';
import { gate } from '../../../lib/similarity/gate/gate.js';
import { INTERVAL } from '../../../lib/similarity/sampled/jackknife.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { tensor } from '../../../lib/tensor/tensor.js';
import { availableBackends } from '../../support/backends.js';

interface Case {
  readonly positions: number;
  readonly truth: number;
  readonly models: readonly [Record<string, unknown>[], Record<string, unknown>[]];
}

/** Two networks in one dimension and their similarity by quadrature: a few inputs far out carry it. */
function readCase(name: string): { models: readonly Model[]; truth: number } {
  const found: Case = JSON.parse(readFileSync(join(import.meta.dirname, `../../golden/coverage/${name}.json`), 'utf8'));
  const value = (part: unknown) => {
    if (typeof part !== 'object' || part === null) return part;
    const { data, shape } = part as { data: number[]; shape: number[] };
    return tensor(Float64Array.from(data), shape);
  };
  const models = found.models.map((layers) =>
    createModel({
      positions: found.positions,
      layers: layers.map((layer) =>
        Object.fromEntries(Object.entries(layer).map(([key, part]) => [key, value(part)])),
      ) as unknown as LayerDefinition[],
    }),
  );
  return { models, truth: found.truth };
}

const matrix = (rows: number[][]) => tensor(Float64Array.from(rows.flat()), [rows.length, rows[0].length]);

/** x and x¹⁶ of one input, under a linear head. */
function powers(head: number[][], bias?: number[]): Model {
  const block: LayerDefinition = {
    type: 'bilinear',
    left: matrix([
      [0, 1],
      [0, 1],
    ]),
    right: matrix([
      [0, 1],
      [0, 0],
    ]),
    rightBias: tensor(Float64Array.of(0, 1), [2]),
    down: matrix([
      [0, 0],
      [1, -1],
    ]),
    alpha: 1,
    beta: 1,
  };
  return createModel({
    layers: [
      { type: 'linear', weight: matrix([[1], [1]]) },
      block,
      block,
      block,
      block,
      {
        type: 'linear',
        weight: matrix(head),
        ...(bias && { bias: tensor(Float64Array.from(bias), [bias.length]) }),
      },
    ],
  });
}

/** By quadrature with 40 nodes, of x ± 10⁻⁹ x¹⁶, and of 10⁻³ ± 10⁻¹² x¹⁶. */
const TAIL = 0.678;

describe.each(availableBackends)('what is said to be reached on %s', (backend) => {
  const seeds = Array.from({ length: backend === 'fallback' ? 5 : 20 }, (_, seed) => seed);

  test.each(['case0', 'case1', 'case3'])('covers the truth of %s at its rate', async (name) => {
    const { models, truth } = readCase(name);
    let outside = 0;
    for (const seed of seeds) {
      const { similarity: value, standardError, sampling } = await similarity(models[0], models[1], { backend, seed });
      if (!sampling!.reached) continue;
      const off = Math.abs(value - truth) / standardError!;
      expect(off).toBeLessThan(5);
      if (off > INTERVAL) outside++;
    }
    expect(outside).toBeLessThanOrEqual(Math.ceil(0.15 * seeds.length));
  });

  test('a tail that plain samples do not meet is found, and no gate passes it', async () => {
    const [f, g] = [powers([[1, 1e-9]]), powers([[1, -1e-9]])];
    for (const seed of seeds) {
      const { outcome, comparison } = await gate(f, g, { backend, seed });
      expect(outcome).not.toBe('pass');
      const off = Math.abs(comparison.similarity - TAIL) / comparison.standardError!;
      expect(comparison.sampling!.reached ? off : 0).toBeLessThan(5);
    }
  });

  test('nor one in a single output, beside another that is much larger', async () => {
    const [f, g] = [1, -1].map((sign) =>
      powers(
        [
          [1, 0],
          [0, sign * 1e-12],
        ],
        [0, 1e-3],
      ),
    );
    for (const seed of seeds) {
      const { outcome, comparison } = await gate(f, g, { backend, seed });
      expect(outcome).not.toBe('pass');
      const slice = comparison.perOutput![1];
      expect(slice.effectiveSamples).toBeGreaterThan(0);
      expect(slice.interval).toBeCloseTo(INTERVAL * slice.standardError!, 12);
      const off = Math.abs(slice.similarity! - TAIL) / slice.standardError!;
      expect(slice.reached ? off : 0).toBeLessThan(5);
    }
  });

  test('covers random networks of all kinds at its rate, and no gate passes below its limit', async () => {
    // Of every kind on the native backend, of every third on the fallback; `npm run campaign -- coverage` goes on from
    // here.
    const count = 1;
    const kinds = KINDS.filter((_, i) => backend !== 'fallback' || i % 3 === 0);
    const options = { backend, count, seed: 1000, maxSamples: 65_536 };
    const trials = await campaign({ ...options, kinds });
    const { reached, outside, far, slicesFar, wrongPasses } = summarise(trials);
    expect(reached).toBeGreaterThan(trials.length / 3);
    expect(outside).toBeLessThanOrEqual(mostOutside(reached));
    expect({ far, slicesFar, wrongPasses }).toEqual({ far: 0, slicesFar: 0, wrongPasses: 0 });
    expect(coverageTable(trials).split('\n')).toHaveLength(kinds.length + 3);
    const [first] = trials;
    const again = await campaign({ ...options, kinds: kinds.slice(0, 1) });
    expect({ ...again[0], seconds: 0 }).toEqual({ ...first, seconds: 0 });
  });
});

describe('distances', () => {
  test('of nearly equal models are as exact as their difference, and have errors', async () => {
    const head = [[1, 0.01]];
    const f = powers(head);
    const g = powers([[1 + 1e-9, 0.01]]);
    const found = await similarity(f, g, { method: 'sampled', perOutput: true });
    // ‖f − g‖ = 10⁻⁹ ‖x‖, up to the rounding of outputs of order 10⁵.
    expect(Math.abs(found.distance / 1e-9 - 1)).toBeLessThan(0.05);
    expect(found.distanceError! / 1e-9).toBeLessThan(0.05);
    expect(Math.abs(found.distance - 1e-9)).toBeLessThan(5 * found.distanceError! + 1e-10);
    for (const part of [found, found.perOutput![0]]) {
      expect(part.normAError!).toBeGreaterThan(0);
      expect(part.normBError!).toBeGreaterThan(0);
      expect(part.innerProductError!).toBeGreaterThan(0);
    }
  });

  test('the errors of norms and inner products are true', async () => {
    const [f, g] = [powers([[1, 0]]), powers([[0.5, 0]], [1])];
    let [norms, products, distances] = [0, 0, 0];
    const seeds = 60;
    for (let seed = 0; seed < seeds; seed++) {
      const found = await similarity(f, g, { method: 'sampled', seed, tolerance: 0.05 });
      // f = x, g = x / 2 + 1.
      if (Math.abs(found.normA - 1) <= INTERVAL * found.normAError!) norms++;
      if (Math.abs(found.innerProduct - 0.5) <= INTERVAL * found.innerProductError!) products++;
      if (Math.abs(found.distance - Math.sqrt(1.25)) <= INTERVAL * found.distanceError!) distances++;
    }
    for (const inside of [norms, products, distances]) {
      expect(inside).toBeGreaterThanOrEqual(51);
      expect(inside).toBeLessThan(seeds);
    }
  });
});
