import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../lib/model/model.js';
import { oriented, ranks } from '../../lib/similarity/gram/orientation.js';
import type { Job } from '../../lib/similarity/gram/schedule.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { contentSketch } from '../../lib/similarity/members/content.js';
import { memberOf } from '../../lib/similarity/members/members.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { MatrixOptions, SimilarityMatrix } from '../../lib/similarity/terms/types.js';
import { step } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { availableBackends } from '../support/backends.js';
import { exchangedDegrees } from '../support/degrees.js';
import { modelOf, randomAttention, randomBlock, randomLinear, randomTensor, sequenceModel } from '../support/models.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
const listOf = (count: number, make: (i: number) => Model) => Array.from({ length: count }, (_, i) => make(i));

/** Behind an embedding, so that every route applies; of two hidden sizes, or one. */
const embedded = (count: number, sizes = 2) => {
  const draw = random(count);
  return listOf(count, (i) => {
    const block = randomBlock(draw, { inputs: 5, hidden: 9 + (i % sizes), outputs: 3, biases: true });
    return modelOf([randomLinear(draw, 5, 7), block], `model ${i}`);
  });
};
const deep = (count: number) => {
  const draw = random(100 + count);
  const block = () => randomBlock(draw, { inputs: 4, hidden: 5, outputs: 4, biases: true });
  return listOf(count, (i) => modelOf([block(), block()], `deep ${i}`));
};
const attending = (count: number) => {
  const draw = random(200 + count);
  return listOf(count, (i) =>
    sequenceModel(2, [randomAttention(draw, { inputs: 4, heads: 2, size: 2 })], `attention ${i}`),
  );
};

const WAYS: [title: string, models: readonly Model[], options: MatrixOptions][] = [
  ['by the route factor', embedded(14), { route: 'factor' }],
  ['by the route unfolded', embedded(14), { route: 'unfolded' }],
  ['by the route dense', embedded(14), { route: 'dense' }],
  ['by the route factor in float32', embedded(14), { route: 'factor', dtype: 'float32' }],
  ['by the route dense in float32', embedded(14), { route: 'dense', dtype: 'float32' }],
  ['of the measure tensor', embedded(14), { route: 'factor', measure: 'tensor' }],
  ['of the measure tensor at depth', deep(8), { measure: 'tensor' }],
  ['of the measure weights', embedded(14, 1), { measure: 'weights' }],
  ['of the measure behavioural', embedded(9), { measure: 'behavioural', inputs: randomTensor(random(1), 20, 7) }],
  ['of two blocks', deep(8), {}],
  ['by the closure', deep(8), { method: 'closure' }],
  ['of attention', attending(5), {}],
  ['by sampling', deep(6), { method: 'sampled', maxSamples: 4096 }],
];

type Cells = Pick<Partial<SimilarityMatrix>, 'gram' | 'cosine' | 'perOutput' | 'cosineError' | 'behaviour'>;

/** Everything between two models of a matrix, at these places. */
function cell({ gram, cosine, perOutput, cosineError, behaviour }: Cells, i: number, j: number) {
  return [
    ...[gram!, cosine!, ...(perOutput?.gram ?? []), ...(perOutput?.cosine ?? []), ...(perOutput?.cosineError ?? [])],
    ...[cosineError, behaviour?.agreement, behaviour?.cka].filter((matrix) => matrix !== undefined),
  ].map((matrix) => matrix[i][j]);
}

function shuffled(count: number, seed: number): number[] {
  const draw = random(seed);
  const keys = Array.from({ length: count }, () => draw.uniform());
  return [...keys.keys()].sort((a, b) => keys[a] - keys[b]);
}

describe.each(availableBackends)('the bits on %s of a matrix', (backend) => {
  it.each(WAYS)('%s are those of the two models, in any order of the list', async (_, models, given) => {
    const options = { backend, perOutput: given.measure !== 'behavioural', ...given };
    const whole = await similarityMatrix(models, options as object);
    for (const seed of [1, 2]) {
      const order = shuffled(models.length, seed);
      const list = order.map((i) => models[i]);
      const again = await similarityMatrix(list, options as object);
      const band = await similarityMatrix(list, { ...options, window: 3 } as object);
      for (const [i, a] of order.entries()) {
        for (const [j, b] of order.entries()) {
          expect(cell(again, i, j)).toEqual(cell(whole, a, b));
          if (Math.abs(i - j) <= 3) expect(cell(band, i, j)).toEqual(cell(whole, a, b));
        }
      }
      // What is sampled depends on which models there are, and CKA is for square matrices.
      if (given.method === 'sampled' || given.measure === 'behavioural') continue;
      const half = order.length >> 1;
      const sides = { rows: list.slice(0, half + 2), columns: list.slice(half) };
      const cross = await similarityMatrix(list, { ...options, ...sides });
      for (const i of sides.rows.keys()) {
        for (const j of sides.columns.keys()) {
          expect(cell(cross, i, j)).toEqual(cell(whole, order[i], order[half + j]));
        }
      }
      const reference = await similarityMatrix(list, { ...options, reference: 1, every: 2 });
      for (const i of reference.gram.keys()) {
        expect(cell(reference, i, 0)).toEqual(cell(whole, order[2 * i], order[1]));
      }
    }
  });

  it.each(WAYS)('%s are the same for (a, b) as for (b, a)', async (_, [a, b], given) => {
    // What is relative to the first is another number for the other.
    const {
      a: x,
      b: y,
      normA,
      normB,
      normAError,
      normBError,
      fidelityError,
      relativeDistance,
      degrees,
      ...one
    } = await similarity(a, b, { backend, ...given });
    const {
      a: p,
      b: q,
      normA: normOfB,
      normB: normOfA,
      normAError: errorOfB,
      normBError: errorOfA,
      fidelityError: _f,
      relativeDistance: _r,
      degrees: turned,
      ...other
    } = await similarity(b, a, { backend, ...given });
    expect([x, y]).toEqual([q, p]);
    expect([normOfA, normOfB, errorOfA, errorOfB]).toEqual([normA, normB, normAError, normBError]);
    expect(exchangedDegrees(turned)).toEqual(degrees);
    expect(other).toEqual(one);
  });
});

describe('the bits of a matrix of files', () => {
  const steps = [0, 2000, 4000, 6000, 6200, 7000, 8000];
  const files = steps.map(step);
  const options = { backend: availableBackends[0], route: 'factor', perOutput: true } as const;

  it('are the same in any order, window, memory limit, and with a state file of another order', async () => {
    const whole = await similarityMatrix(files, options);
    const state = join(root, 'order.state');
    const bands = [shuffled(files.length, 3), shuffled(files.length, 4)];
    for (const order of bands) {
      const band = await similarityMatrix(
        order.map((i) => files[i]),
        { ...options, window: 2, state, memoryLimit: '8MB' },
      );
      for (const [i, a] of order.entries()) {
        for (const [j, b] of order.entries()) {
          if (Math.abs(i - j) <= 2) expect(cell(band, i, j)).toEqual(cell(whole, a, b));
        }
      }
    }
    const kept = await similarityMatrix(files, { ...options, state });
    for (const i of files.keys()) for (const j of files.keys()) expect(cell(kept, i, j)).toEqual(cell(whole, i, j));
    const near = (i: number, j: number) => bands.some((order) => Math.abs(order.indexOf(i) - order.indexOf(j)) <= 2);
    const known = files.flatMap((_, i) => files.slice(i).map((_, k) => near(i, i + k))).filter((is) => is).length;
    expect(kept.work).toMatchObject({ pairs: 28, reused: known });
  });
});

describe('which of two models is the row', () => {
  it('follows from what they hold, be it one number of many', async () => {
    const draw = random(8);
    const block = randomBlock(draw, { inputs: 40, hidden: 30, outputs: 5 });
    const changed = (at: number, by: number) => {
      const data = Float64Array.from(block.left.data);
      data[at] += by;
      return modelOf([{ ...block, left: { ...block.left, data } }]);
    };
    const variants = [
      changed(1, 0),
      changed(1, 1e-9),
      changed(2, 1e-9),
      changed(700, 0.1),
      changed(1199, 1),
      modelOf([{ ...block, beta: 2 }]),
    ];
    const placesIn = async (order: readonly number[]) => {
      const rank = await ranks(order.map((i) => memberOf(variants[i])));
      return variants.map((_, i) => rank[order.indexOf(i)]);
    };
    const places = await placesIn([0, 1, 2, 3, 4, 5]);
    expect([...places].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const seed of [1, 2, 3]) expect(await placesIn(shuffled(6, seed))).toEqual(places);
  });

  it('is the order of whole sketches, of which no more is made than tells models apart', async () => {
    const draw = random(9);
    const [left, other] = [0, 1].map(() => randomBlock(draw, { inputs: 7, hidden: 4, outputs: 3 }).left);
    const models = listOf(12, (i) => {
      const block = randomBlock(draw, { inputs: 7, hidden: i % 4 === 3 ? 5 : 4, outputs: 3 });
      return modelOf([i % 4 === 0 ? { ...block, left } : i % 4 === 1 ? { ...block, left: other } : block]);
    });
    const whole = models.map((model) => contentSketch(model));
    for (const [i, model] of models.entries()) expect(whole[i].startsWith(contentSketch(model, 1))).toBe(true);
    expect(new Set(models.map((model) => contentSketch(model, 1))).size).toBe(8);
    const sorted = whole.toSorted((a, b) => (a < b ? -1 : 1));
    expect([...(await ranks(models.map(memberOf)))]).toEqual(whole.map((sketch) => sorted.indexOf(sketch)));
  });

  it('cuts a job into rectangles that hold each of its pairs once', () => {
    for (const seed of [1, 2, 3]) {
      const rank = Int32Array.from(shuffled(40, seed));
      const pairsOf = ({ rows, columns, symmetric }: Job) =>
        rows.flatMap((i, r) => columns.slice(symmetric ? r : 0).map((j) => [i, j] as const));
      const jobs: Job[] = [
        { rows: [0, 1, 2, 3, 4, 5, 6], columns: [0, 1, 2, 3, 4, 5, 6], symmetric: true },
        {
          rows: Array.from({ length: 20 }, (_, i) => i),
          columns: Array.from({ length: 20 }, (_, i) => 20 + i),
          symmetric: false,
        },
        { rows: [3], columns: [3, 4, 9, 12], symmetric: false },
      ];
      for (const job of jobs) {
        const parts = [...oriented(job, rank)];
        const found = parts.flatMap(pairsOf);
        expect(found.every(([i, j]) => rank[i] <= rank[j])).toBe(true);
        const key = ([i, j]: readonly [number, number]) => `${Math.min(i, j)} ${Math.max(i, j)}`;
        expect(found.map(key).sort()).toEqual(pairsOf(job).map(key).sort());
      }
    }
  });
});
