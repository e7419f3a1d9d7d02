import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { Layer, Model, ParallelLayer } from '../../lib/model/model.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { availableBackends } from '../support/backends.js';
import { expectForward } from '../support/forward.js';
import { randomAttention, randomBlock, randomLinear, randomTensor } from '../support/models.js';
import { type Random, random } from '../support/random.js';

type Vector = readonly number[];
type Plain = (x: number[][]) => number[][];

const times = ({ data, shape }: Tensor, x: Vector, bias?: Tensor): number[] =>
  Array.from({ length: shape[0] }, (_, i) =>
    x.reduce((sum, one, j) => sum + data[i * x.length + j] * one, bias?.data[i] ?? 0),
  );

/** What layers of a few kinds do, written out: row by row, but for attention of one position, which is none here. */
function plain(layer: LayerDefinition): Plain {
  if (layer.type === 'parallel') {
    const { branches, alpha = 1, beta = 1 } = layer;
    return (x) => {
      const all = branches.map((branch) => branch.reduce((rows, inner) => plain(inner)(rows), x));
      return all[0].map((row, s) =>
        row.map((_, i) => all.reduce((sum, rows) => sum + beta * rows[s][i], alpha && alpha * x[s][i])),
      );
    };
  }
  return (x) => x.map((row, s) => ofRow(layer, row, s));
}

function ofRow(layer: LayerDefinition, x: Vector, position: number): number[] {
  switch (layer.type) {
    case 'linear':
      return times(layer.weight, x, layer.bias);
    case 'positions':
      return x.map((one, i) => one + layer.weight.data[position * x.length + i]);
    case 'rms_norm': {
      const size = Math.sqrt(x.reduce((sum, one) => sum + one * one, 0) / x.length + layer.epsilon);
      return x.map((one, i) => (one / size) * (layer.weight?.data[i] ?? 1));
    }
    case 'hidden': {
      const units = times(layer.weight, x, layer.bias).map((u) => Math.max(u, 0));
      const block = layer.down === undefined ? units : times(layer.down, units, layer.downBias);
      const beside = layer.skip === undefined ? block.map(() => 0) : times(layer.skip, x);
      const { alpha = 0, beta = 1 } = layer;
      return block.map((one, i) => (alpha && alpha * x[i]) + beta * one + beside[i]);
    }
    case 'gated': {
      const up = times(layer.up, x, layer.upBias);
      const units = times(layer.gate, x, layer.gateBias).map((u, i) => Math.tanh(u) * up[i]);
      return layer.down === undefined ? units : times(layer.down, units, layer.downBias);
    }
    default:
      throw new Error(layer.type);
  }
}

const hidden = (draw: Random, takes: number, units: number, gives: number): LayerDefinition => ({
  ...{ type: 'hidden', activation: 'relu', weight: randomTensor(draw, units, takes), bias: randomTensor(draw, units) },
  ...{ down: randomTensor(draw, gives, units), downBias: randomTensor(draw, gives) },
});
const gated = (draw: Random, takes: number, units: number): LayerDefinition => ({
  ...{
    type: 'gated',
    activation: 'tanh',
    gate: randomTensor(draw, units, takes),
    up: randomTensor(draw, units, takes),
  },
  ...{ gateBias: randomTensor(draw, units), upBias: randomTensor(draw, units) },
});
const norm = (draw: Random, features: number): LayerDefinition => ({
  ...{ type: 'rms_norm', weight: randomTensor(draw, features), epsilon: 0.01 },
});
const parallel = (...branches: LayerDefinition[][]): ParallelLayer => ({
  ...{ type: 'parallel', branches: branches as unknown as Layer[][], alpha: 1, beta: 1 },
});

const FORWARD: Record<string, (draw: Random) => LayerDefinition[]> = {
  'one branch, as before a norm': (draw) => [parallel([norm(draw, 4), hidden(draw, 4, 6, 4)])],
  'two branches of different depth': (draw) => [
    parallel(
      [norm(draw, 4), hidden(draw, 4, 6, 4)],
      [gated(draw, 4, 5), randomLinear(draw, 3, 5), randomLinear(draw, 4, 3)],
    ),
    randomLinear(draw, 2, 4),
  ],
  'branches without a residual, of another width': (draw) => [
    { ...parallel([hidden(draw, 4, 6, 3)], [randomLinear(draw, 3, 4)], [gated(draw, 4, 3)]), alpha: 0, beta: 0.5 },
  ],
  'within each other': (draw) => [
    parallel([
      norm(draw, 4),
      { ...parallel([norm(draw, 4), gated(draw, 4, 4)], [randomLinear(draw, 4, 4)]), alpha: -2 },
    ]),
    parallel([hidden(draw, 4, 3, 4)]),
  ],
  'positions in a branch': (draw) => [parallel([{ type: 'positions', weight: randomTensor(draw, 3, 4) }])],
};

it.each(Object.entries(FORWARD))('%s: adds up what the branches give', async (_, layers) => {
  const draw = random(1);
  const definition = layers(draw);
  const model = createModel({ layers: definition, positions: 3 });
  await expectForward(model, draw, (x) => definition.reduce((rows, layer) => plain(layer)(rows), x), { batch: 3 });
});

/** Twice the same function: with branches, and as exact methods have known it. */
const EXACT: Record<string, (draw: Random) => readonly [branches: LayerDefinition[], same: LayerDefinition[]]> = {
  'affine branches': (draw) => {
    const [one, two, other] = [randomLinear(draw, 3, 4), randomLinear(draw, 4, 3), randomLinear(draw, 4, 4)];
    const weight = Float64Array.from({ length: 16 }, (_, at) => {
      const [i, j] = [Math.floor(at / 4), at % 4];
      const through = [0, 1, 2].reduce((sum, k) => sum + two.weight.data[i * 3 + k] * one.weight.data[k * 4 + j], 0);
      return 3 * (i === j ? 1 : 0) + 0.5 * (through + other.weight.data[at]);
    });
    const bias = times(two.weight, Array.from(one.bias!.data), two.bias).map((b, i) => 0.5 * (b + other.bias!.data[i]));
    return [
      [{ ...parallel([one, two], [other]), alpha: 3, beta: 0.5 }],
      [{ type: 'linear', weight: tensor(weight, [4, 4]), bias: tensor(bias, [4]) }],
    ];
  },
  'a hidden layer with a residual': (draw) => {
    const block = hidden(draw, 4, 6, 4);
    return [[parallel([block])], [{ ...block, alpha: 1 } as LayerDefinition]];
  },
  'a hidden layer between linear ones, beside a linear one': (draw) => {
    const [A, B, S] = [randomLinear(draw, 3, 4), randomLinear(draw, 4, 2), randomLinear(draw, 4, 4)];
    const block = { ...hidden(draw, 3, 5, 2), skip: randomTensor(draw, 2, 3), beta: 0.5 } as LayerDefinition;
    return [[{ ...parallel([A, block, B], [S]), beta: 2 }], asOne(A, block, B, S, 2)];
  },
  'a gated block without D': (draw) => {
    const block = gated(draw, 4, 4);
    return [[{ ...parallel([block]), beta: 2 }], [{ ...block, alpha: 1, beta: 2 } as LayerDefinition]];
  },
  'a bilinear block within two': (draw) => {
    const block = randomBlock(draw, { inputs: 4, hidden: 3, outputs: 4, biases: true });
    return [[parallel([{ ...parallel([block]), alpha: 0.5 }])], [{ ...block, alpha: 1.5 }]];
  },
};

/** x + β (B (½ (D φ(W z + b) + c) + S' z) + b_B + S x + s) with z = A x + a, as chains that nothing was known of. */
function asOne(A: LayerDefinition, block: LayerDefinition, B: LayerDefinition, S: LayerDefinition, beta: number) {
  type Linear = { weight: Tensor; bias: Tensor };
  type Hidden = Linear & { down: Tensor; downBias: Tensor; skip: Tensor };
  const [a, h, b, s] = [A, block, B, S] as unknown as [Linear, Hidden, Linear, Linear];
  const columns = (m: Tensor) =>
    Array.from({ length: m.shape[1] }, (_, j) =>
      Array.from({ length: m.shape[0] }, (_, i) => m.data[i * m.shape[1] + j]),
    );
  const product = (m: Tensor, n: Tensor) => columns(n).map((column) => times(m, column));
  const matrix = (byColumn: number[][]) =>
    tensor(
      byColumn[0].flatMap((_, i) => byColumn.map((c) => c[i])),
      [byColumn[0].length, byColumn.length],
    );
  const beside = product(b.weight, matrix(product(h.skip, a.weight)));
  const skip = matrix(
    beside.map((column, j) => column.map((one, i) => beta * (one + s.weight.data[i * 4 + j]) + (i === j ? 1 : 0))),
  );
  const inner = times(h.skip, Array.from(a.bias.data)).map((one, i) => one + 0.5 * h.downBias.data[i]);
  const constant = times(b.weight, inner, b.bias).map((one, i) => beta * (one + s.bias.data[i]));
  return [
    {
      ...{ type: 'hidden', activation: 'relu', weight: matrix(product(h.weight, a.weight)), skip },
      bias: tensor(times(h.weight, Array.from(a.bias.data), h.bias), [5]),
      down: matrix(product(b.weight, h.down).map((column) => column.map((one) => 0.5 * beta * one))),
      downBias: tensor(constant, [4]),
    },
  ] as LayerDefinition[];
}

describe.each(Object.entries(EXACT))('%s', (_, pair) => {
  const both = (seed: number): [Model, Model] => {
    const draw = random(seed);
    const [branches, same] = pair(draw);
    const end = randomLinear(draw, 3, 4);
    return [createModel({ layers: [...branches, end] }), createModel({ layers: [...same, end] })];
  };
  const [[a, sameA], [b, sameB]] = [both(1), both(2)];

  it('is exact, and compared as the layer that does the same', async () => {
    for (const backend of availableBackends) {
      const found = await similarity(a, b, { backend });
      const expected = await similarity(sameA, sameB, { backend });
      expect(found).toMatchObject({ method: 'exact', exact: true });
      for (const name of ['similarity', 'normA', 'normB', 'distance'] as const)
        expect(found[name] / expected[name]).toBeCloseTo(1, 11);
      expect((await similarity(a, sameA, { backend })).similarity).toBeCloseTo(1, 12);
    }
  });

  it('has its closure', async () => {
    const found = await similarity(a, b, { method: 'closure' });
    expect(found.similarity).toBeCloseTo((await similarity(sameA, sameB, { method: 'closure' })).similarity, 11);
  });

  it('fills a matrix', async () => {
    const { cosine } = await similarityMatrix([a, sameA, b]);
    expect(cosine[0][1]).toBeCloseTo(1, 12);
    expect(cosine[0][2]).toBeCloseTo(cosine[1][2], 11);
  });
});

describe('branches of which no method is exact', () => {
  const make = (seed: number) => {
    const draw = random(seed);
    return createModel({ layers: [parallel([norm(draw, 4), hidden(draw, 4, 6, 4)]), randomLinear(draw, 2, 4)] });
  };
  const [a, b] = [make(1), make(2)];

  it('are sampled on every backend with the same inputs', async () => {
    expect(a.degree).toBeNull();
    const [first, ...others] = await Promise.all(
      availableBackends.map((backend) => similarity(a, b, { backend, tolerance: 0.1 })),
    );
    expect(first).toMatchObject({ method: 'sampled', exact: false });
    for (const other of others) expect(other.similarity).toBeCloseTo(first.similarity, 11);
  });

  it('are refused by everything else, with the reason', async () => {
    await expect(similarity(a, b, { method: 'exact' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringContaining('parallel branches, which are exact only where they are linear'),
    });
    await expect(similarity(a, b, { method: 'closure' })).rejects.toThrow('for which there is no closure');
    await expect(similarity(a, b, { measure: 'tensor' })).rejects.toThrow(
      'for which the measure "tensor" is not defined',
    );
  });

  it('are compared by all their weights', async () => {
    expect([...a.parameters.keys()]).toEqual([
      ...['weight', 'weight', 'bias', 'down', 'downBias'].map(
        (role, i) => `layers.0.branches.0.${i === 0 ? 0 : 1}.${role}`,
      ),
      ...['layers.1.weight', 'layers.1.bias'],
    ]);
    const flat = (model: Model) => [...model.parameters.values()].flatMap(({ data }) => Array.from(data));
    const [x, y] = [flat(a), flat(b)];
    const dot = (u: number[], v: number[]) => u.reduce((sum, one, i) => sum + one * v[i], 0);
    const { similarity: found } = await similarity(a, b, { measure: 'weights' });
    expect(found).toBeCloseTo(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)), 13);
  });

  it('are compared by their behaviour', async () => {
    const inputs = tensor(
      Array.from({ length: 40 }, (_, i) => Math.sin(i * i)),
      [10, 4],
    );
    const [x, y] = await Promise.all([a, b].map(async (model) => (await evaluate(model, inputs)).data));
    const cosine = (i: number) => {
      const [u, v] = [x, y].map((all) => [all[2 * i], all[2 * i + 1]]);
      return (u[0] * v[0] + u[1] * v[1]) / (Math.hypot(...u) * Math.hypot(...v));
    };
    const mean = Array.from({ length: 10 }, (_, i) => cosine(i)).reduce((sum, one) => sum + one, 0) / 10;
    const { similarity: found } = await similarity(a, b, { measure: 'behavioural', inputs });
    expect(found).toBeCloseTo(mean, 12);
  });

  it('keep their numbers in range where branches have large ones', async () => {
    const large = (model: Model) => {
      const [{ branches }, end] = model.layers as unknown as [ParallelLayer, LayerDefinition];
      const [first, second] = branches[0] as unknown as [LayerDefinition & { weight: Tensor }, LayerDefinition];
      const weight = tensor(
        Array.from(first.weight.data, (one) => one * 2 ** 40),
        [4],
      );
      return createModel({ layers: [parallel([{ ...first, weight } as LayerDefinition, second]), end] });
    };
    const found = await similarity(large(a), large(b), { tolerance: 0.1 });
    expect(found.normA).toBeGreaterThan(2 ** 35);
    expect(Math.abs(found.similarity)).toBeLessThan(1);
  });
});

it('has the degree of its widest branch', () => {
  const draw = random(3);
  const block = () => randomBlock(draw, { inputs: 4, hidden: 3, outputs: 4, biases: false });
  const degree = (...layers: LayerDefinition[]) => createModel({ layers, positions: 2 }).degree;
  expect(degree(parallel([block(), block()], [block()]))).toBe(4);
  expect(degree(parallel([randomLinear(draw, 4, 4)]))).toBe(1);
  expect(degree(parallel([randomAttention(draw, { inputs: 4, heads: 1, size: 2 })]), block())).toBe(10);
});

it('is frozen to the last layer', () => {
  const { layers } = createModel({ layers: [parallel([parallel([hidden(random(1), 4, 3, 4)])])] });
  const [outer] = layers as unknown as [ParallelLayer];
  const [inner] = outer.branches[0] as unknown as [ParallelLayer];
  for (const one of [outer, outer.branches, outer.branches[0], inner, inner.branches, inner.branches[0][0]])
    expect(Object.isFrozen(one)).toBe(true);
});

describe('createModel', () => {
  const draw = random(4);
  const nested = (depth: number): LayerDefinition =>
    depth === 0 ? randomLinear(draw, 4, 4) : parallel([nested(depth - 1)]);

  it.each<[string, LayerDefinition, string]>([
    ['no branches', parallel(), 'layer 1 (parallel): has no branches'],
    ['an empty branch', parallel([]), 'has a branch without layers'],
    ['what is no list', { type: 'parallel', branches: 3 } as never, 'layer 1 (parallel) needs { branches'],
    [
      'layers that do not follow',
      parallel([randomLinear(draw, 3, 4), randomLinear(draw, 4, 4)]),
      'branch 1, layer 2 (linear): takes 4 features, but layer 1 (tensor "layers.0.branches.0.0.weight") gives 3',
    ],
    [
      'branches of different widths',
      parallel([randomLinear(draw, 4, 4)], [randomLinear(draw, 3, 4)]),
      'branch 2 gives 3 features, but branch 1 gives 4',
    ],
    [
      'inputs of different widths',
      parallel([randomLinear(draw, 4, 4)], [randomLinear(draw, 4, 3)]),
      'branch 2 takes 3 features, but branch 1 takes 4',
    ],
    ['a residual of another width', parallel([randomLinear(draw, 3, 4)]), 'the branches take 4 and give 3'],
    ['a factor that is none', { ...parallel([randomLinear(draw, 4, 4)]), beta: Number.NaN }, 'beta is NaN'],
    [
      'a layer of no kind',
      parallel([{ type: 'dense' } as never]),
      'layer 1 (parallel), branch 1, layer 1 has the type "dense"',
    ],
    [
      'a field of no layer',
      parallel([{ ...hidden(draw, 4, 3, 4), gain: 1 } as never]),
      'branch 1, layer 1 (hidden) has an unknown field "gain"',
    ],
    [
      'a layer deep inside',
      parallel([parallel([hidden(draw, 4, 3, 4)], [norm(draw, 5)])]),
      'branch 2 takes 5 features',
    ],
    [
      'too few positions',
      parallel([{ type: 'positions', weight: randomTensor(draw, 1, 4) }]),
      'has 1 positions, but inputs of the model have 2',
    ],
    ['nine within each other', nested(9), 'is within 8 others, and 8 in all are the most'],
  ])('refuses %s', (_, layer, message) => {
    expect(() => createModel({ layers: [layer], positions: 2 })).toThrow(message);
  });

  it('takes eight within each other, and refuses a circle', () => {
    expect(createModel({ layers: [nested(8)] }).degree).toBe(1);
    const circle = { type: 'parallel', branches: [[] as unknown[]] };
    circle.branches[0].push(circle);
    expect(() => createModel({ layers: [circle as never] })).toThrow('8 in all are the most');
  });
});

describe('model.json', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tensim-parallel-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const draw = random(5);
  const weights: Record<string, Tensor> = {
    'ln.weight': randomTensor(draw, 4),
    'up.weight': randomTensor(draw, 6, 4),
    'down.weight': randomTensor(draw, 4, 6),
    'side.weight': randomTensor(draw, 4, 4),
  };
  const block = {
    type: 'parallel',
    branches: [
      [
        { type: 'rms_norm', weight: 'ln.weight', epsilon: 0.01 },
        { type: 'hidden', weight: 'up.weight', activation: 'relu', down: 'down.weight', beta: 0.5 },
      ],
      [{ type: 'linear', weight: 'side.weight' }],
    ],
  };
  const write = async (name: string, layers: unknown[]) => {
    const path = join(folder, `${name}.json`);
    await writeSafetensors(join(folder, 'w.safetensors'), weights);
    await writeFile(
      path,
      JSON.stringify({ schema: 'tensim.model/1', weights: 'w.safetensors', layers, ignore: ['*'] }),
    );
    return path;
  };

  it('describes it, and inspect tells it', async () => {
    const path = await write('block', [block]);
    const { layers, problems, method, inputs } = await inspect(path);
    expect(problems).toEqual([]);
    expect(layers).toEqual([
      'parallel 4 → 4: [RMS norm 4; hidden 4 → 6 relu → 4, times 0.5] + [linear 4 → 4], residual 1 x + 1 block(x)',
    ]);
    expect({ method, inputs }).toEqual({ method: 'sampled', inputs: 4 });
    const model = await loadModel(path);
    expect(model.layers[0]).toMatchObject({ type: 'parallel', alpha: 1, beta: 1 });
    expect([...model.parameters.keys()].sort()).toEqual(Object.keys(weights).sort());
    const definition: LayerDefinition = parallel(
      [
        { type: 'rms_norm', weight: weights['ln.weight'], epsilon: 0.01 },
        { type: 'hidden', weight: weights['up.weight'], activation: 'relu', down: weights['down.weight'], beta: 0.5 },
      ],
      [{ type: 'linear', weight: weights['side.weight'] }],
    );
    await expectForward(model, random(6), plain(definition), { batch: 2 });
  });

  it('is exact where the header tells that it is', async () => {
    const linear = { type: 'parallel', branches: [[block.branches[1][0]], [block.branches[0][1]]] };
    expect((await inspect(await write('exact', [linear]))).method).toBe('exact');
    const affine = { type: 'parallel', branches: [[block.branches[1][0]]], alpha: 0 };
    expect(await inspect(await write('affine', [affine]))).toMatchObject({ method: 'exact', degree: 1, problems: [] });
  });

  it('reads the residual of all spellings', async () => {
    const model = await loadModel(await write('lerp', [{ ...block, residual: { lerp: 0.25 } }]));
    expect(model.layers[0]).toMatchObject({ alpha: 0.75, beta: 0.25 });
  });

  it.each([
    ['a branch that is no list', { ...block, branches: [{}] }, '"branches" must be a list of branches'],
    ['no branches', { type: 'parallel' }, '"branches" must be a list of branches'],
    [
      'a layer of no kind',
      { ...block, branches: [[{ type: 'dense' }]] },
      'layer 1 (parallel), branch 1, layer 1 has the type "dense"',
    ],
    ['an unknown field', { ...block, weight: 'ln.weight' }, 'has an unknown field "weight"'],
    [
      'nine within each other',
      Array.from({ length: 9 }).reduce((inner) => ({ type: 'parallel', branches: [[inner]] }), block.branches[1][0]),
      'is the 9th within another, and 8 are the most',
    ],
  ])('refuses %s', async (_, layer, message) => {
    await expect(loadModel(await write('wrong', [layer]))).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining(message),
    });
  });
});
