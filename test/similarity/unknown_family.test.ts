import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { explain } from '../../lib/similarity/explain/explain.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { attentionShapes, counting, type Shapes, writeCheckpoint } from '../model/helpers.js';

const root = temporaryFolder();
let files = 0;

const RESNET: Shapes = {
  'conv1.weight': [2, 3, 3, 3],
  'bn1.weight': [2],
  'bn1.bias': [2],
  'bn1.running_mean': [2],
  'bn1.running_var': [2],
  'layer1.0.conv1.weight': [2, 2, 3, 3],
  'fc.weight': [4, 2],
};

/** A file of these tensors, with numbers that begin at `start`; its path. */
function write(shapes: Shapes, start = 1, prefix = ''): Promise<string> {
  const tensors = Object.entries(shapes).map(
    ([name, shape], i) => [prefix + name, counting(shape, start + i)] as const,
  );
  return writeCheckpoint(root, `net_${files++}.safetensors`, new Map(tensors));
}

/** The cosine of all numbers of both, by themselves. */
function cosine(a: number, b: number): number {
  const values = (start: number) => Object.values(RESNET).flatMap((shape, i) => [...counting(shape, start + i).data]);
  const [x, y] = [values(a), values(b)];
  const dot = (u: number[], v: number[]) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

describe('the measure weights', () => {
  test('compares networks of no known family, tensor by tensor, whatever wrapped them', async () => {
    const [a, b] = [await write(RESNET, 1), await write(RESNET, 9, 'module.')];
    const { code, stdout } = await tensim(['compare', a, b, '--measure', 'weights', '--per-output', '--json']);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result.similarity).toBeCloseTo(cosine(1, 9), 12);
    expect(result.perOutput.map(({ name }: { name: string }) => name)).toEqual(Object.keys(RESNET));
    const matrix = await similarityMatrix([a, b], { measure: 'weights' });
    expect(matrix.cosine[0][1]).toBeCloseTo(cosine(1, 9), 12);
    const limited = await similarityMatrix([a, b], { measure: 'weights', state: join(root, 'run.state') });
    expect(limited.cosine).toEqual(matrix.cosine);
    const gate = await tensim([
      'gate',
      a,
      '--against',
      b,
      '--measure',
      'weights',
      '--min',
      '0.1',
      '--min-output',
      '-1',
    ]);
    expect(gate.code).toBe(0);
  });

  test('needs no settings', async () => {
    const shapes = attentionShapes(1);
    const [a, b] = [await write(shapes), await write(shapes)];
    expect((await rejection(loadModel(a))).message).toContain('"n_ctx"');
    expect((await similarityMatrix([a, b], { measure: 'weights' })).cosine[0][1]).toBe(1);
  });

  test('has every parameter, or refuses', async () => {
    const [a, b] = [await write(RESNET), await write({ ...RESNET, 'fc.bias': [4] })];
    const error = await rejection(similarityMatrix([a, b], { measure: 'weights' }));
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH', tensor: 'fc.bias' });
    const load = { ignore: ['fc.bias'] };
    expect((await similarityMatrix([a, b], { measure: 'weights', load })).cosine[0][1]).toBe(1);
    const model = await loadModel(b, { unknown: 'parameters' });
    expect(model).toMatchObject({ family: 'unknown', layers: [], degree: null, parameterCount: 110 });
  });
});

test('every other measure says that the layers are not known', async () => {
  const models = [
    await loadModel(await write(RESNET), { unknown: 'parameters' }),
    await loadModel(await write(RESNET, 3), { unknown: 'parameters' }),
  ] as const;
  const inputs = tensor([1], [1, 1]);
  for (const refused of [
    () => similarity(...models),
    () => similarity(...models, { measure: 'tensor' }),
    () => similarity(...models, { method: 'sampled' }),
    () => similarity(...models, { measure: 'behavioural', inputs }),
    () => explain(...models),
    () => evaluate(models[0], inputs),
  ])
    expect(await rejection(refused())).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
  const { code, stderr } = await tensim(['compare', await write(RESNET), await write(RESNET)]);
  expect({ code, told: stderr.includes('is a convolutional network') }).toEqual({ code: 3, told: true });
});
