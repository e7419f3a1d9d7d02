import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { createModel } from '../../lib/model/create.js';
import { featureSimilarity, meanSquare } from '../../lib/similarity/features.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';

const root = temporaryFolder();

/** Numbers of both signs, the same for the same seed. */
function made(shape: readonly number[], seed: number): Tensor {
  let state = seed;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  };
  return tensor(Float64Array.from({ length: shape.reduce((product, extent) => product * extent, 1) }, next), shape);
}
type Parts = readonly [left: Tensor, right: Tensor, down?: Tensor];
const coder = (...[left, right, down]: Parts) =>
  createModel({ layers: [{ type: 'bilinear', left, right, ...(down && { down }) }] });
const rows = ({ data, shape: [count, width] }: Tensor) =>
  Array.from({ length: count }, (_, i) => [...data.subarray(i * width, (i + 1) * width)]);

/** The symmetric matrix of every output, written out. */
function formsOf(left: Tensor, right: Tensor, down?: Tensor): number[][] {
  const units = rows(left).map((l, h) => {
    const r = rows(right)[h];
    return l.flatMap((x, i) => l.map((_, j) => (x * r[j] + r[i] * l[j]) / 2));
  });
  if (down === undefined) return units;
  return rows(down).map((mix) =>
    units[0].map((_, at) => mix.reduce((sum, factor, h) => sum + factor * units[h][at], 0)),
  );
}
const squares = (a: number[][], b: number[][]) =>
  a.flatMap((x) => b.map((y) => x.reduce((sum, value, i) => sum + value * y[i], 0) ** 2)).reduce((s, v) => s + v, 0) /
  (a.length * b.length);

describe('featureSimilarity', () => {
  const [left, right, down] = [made([6, 4], 3), made([6, 4], 5), made([3, 6], 7)];
  const [left2, right2, down2] = [made([5, 4], 11), made([5, 4], 13), made([2, 5], 17)];

  test.each<[string, Parts, Parts]>([
    ['units', [left, right], [left2, right2]],
    ['mixtures', [left, right, down], [left2, right2, down2]],
    ['units and mixtures', [left, right], [left2, right2, down2]],
    ['mixtures and units', [left, right, down], [left2, right2]],
  ])('is the mean squared inner product of all %s with all', async (_, one, other) => {
    const [a, b] = [one, other].map(([l, r, d]) => formsOf(l, r, d));
    const [ab, aa, bb] = [squares(a, b), squares(a, a), squares(b, b)];
    for (const backend of ['auto', 'fallback'] as const) {
      const found = await featureSimilarity(coder(...one), coder(...other), { backend });
      expect(found.between / ab).toBeCloseTo(1, 12);
      expect(found.within[0] / aa).toBeCloseTo(1, 12);
      expect(found.within[1] / bb).toBeCloseTo(1, 12);
      expect(found.similarity).toBeCloseTo((2 * Math.sqrt(ab)) / (Math.sqrt(aa) + Math.sqrt(bb)), 12);
      expect(found.similarity).toBeLessThan(0.999);
    }
    const [x, y] = [one, other].map(([l, r, d]) => ({ left: l, right: r, ...(d && { down: d }) }));
    for (const tile of [1, 12, 100]) expect((await meanSquare(x, y, {}, tile)) / ab).toBeCloseTo(1, 12);
  });

  test('does not see the order of features, as similarity does, nor which side is which', async () => {
    const turned = (part: Tensor) => tensor(Float64Array.from(rows(part).reverse().flat()), part.shape);
    const [a, b] = [coder(left, right), coder(turned(right), turned(left))];
    expect((await featureSimilarity(a, b)).similarity).toBeCloseTo(1, 12);
    expect((await similarity(a, b)).similarity).toBeLessThan(0.9);
  });

  test('is told on the command line, for files of bilinear autoencoders', async () => {
    const [a, b] = ['a', 'b'].map((name) => join(root, `${name}.safetensors`));
    await writeSafetensors(a, { left, right, down });
    await writeSafetensors(b, { left: left2, right: right2, down: down2 });
    const wanted = await featureSimilarity(coder(left, right, down), coder(left2, right2, down2));
    const { code, stdout } = await tensim(['compare', a, b, '--features', '--json']);
    expect(code).toBe(0);
    const { schema, similarity: found, between, within } = JSON.parse(stdout);
    expect(schema).toBe('tensim.features/1');
    expect(found).toBeCloseTo(wanted.similarity, 6);
    for (const [i, value] of [between, ...within].entries())
      expect(value / [wanted.between, ...wanted.within][i]).toBeCloseTo(1, 6);
    expect((await tensim(['compare', a, b, '--features'])).stdout).toContain(
      `similarity  ${wanted.similarity.toFixed(5)}`,
    );
  });

  test('is of one bilinear block without biases and residual, of equal inputs, that is not zero', async () => {
    const a = coder(left, right);
    const refused = async (b: Parameters<typeof featureSimilarity>[1]) =>
      featureSimilarity(a, b).then(
        () => undefined,
        ({ code }) => code,
      );
    const biased = createModel({ layers: [{ type: 'bilinear', left, right, leftBias: made([6], 3) }] });
    const deep = createModel({
      layers: [
        { type: 'bilinear', left, right },
        { type: 'linear', weight: down },
      ],
    });
    expect(await refused(biased)).toBe('UNSUPPORTED_LAYER');
    expect(await refused(deep)).toBe('UNSUPPORTED_LAYER');
    expect(await refused(coder(made([6, 3], 3), made([6, 3], 5)))).toBe('SHAPE_MISMATCH');
    expect(await refused(coder(left, tensor(new Float64Array(24), [6, 4])))).toBe('ZERO_NORM');
  });
});
