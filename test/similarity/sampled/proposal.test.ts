import { describe, expect, test } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { FALLBACK } from '../../../lib/fallback/backend.js';
import { addCombinations, addProducts } from '../../../lib/similarity/sampled/blocked.js';
import { type Component, peaked, shell, stretched } from '../../../lib/similarity/sampled/components.js';
import { innerProducts } from '../../../lib/similarity/sampled/inner_products.js';
import { spreadDirections } from '../../../lib/similarity/sampled/principal.js';
import { createProposal, PERIOD, shellExponents } from '../../../lib/similarity/sampled/proposal.js';
import { availableBackends, fullBackend } from '../../support/backends.js';

const DIMENSION = 6;
const SAMPLES = 32_000;
const directions = { basis: Float64Array.of(0.6, 0.8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0), variances: Float64Array.of(9, 2) };

async function draw(name: 'native' | 'fallback' | 'cuda', degree: number, dimension = DIMENSION, along = true) {
  const backend = fullBackend(name);
  const proposal = createProposal({ dimension, degree, directions: along ? directions : null });
  const z = await backend.normals.draw({ seed: 1, stream: 0, dimension }, 0, SAMPLES);
  const plain = z.slice();
  const extra = await backend.normals.draw({ seed: 1, stream: 1, dimension: proposal.extra }, 0, SAMPLES);
  const weights = await proposal.stretch(z, extra, new Pacer());
  return { z, plain, weights };
}

describe.each(availableBackends)('the proposal on %s', (name) => {
  test.each([
    [4, DIMENSION, true],
    [8, 2, false],
    [32, 1, false],
  ])('of degree %i weighs out to N(0, I)', async (degree, dimension, along) => {
    const { z, weights } = await draw(name, degree, dimension, along);
    expect(weights.every((weight) => weight >= 0 && weight <= PERIOD)).toBe(true);
    const moment = (value: (s: number) => number) => {
      let [sum, square] = [0, 0];
      for (let s = 0; s < SAMPLES; s++) {
        const part = weights[s] * value(s);
        sum += part / SAMPLES;
        square += part ** 2 / SAMPLES;
      }
      return { mean: sum, error: Math.sqrt(square / SAMPLES) };
    };
    const expectMean = ({ mean, error }: { mean: number; error: number }, expected: number) =>
      expect(Math.abs(mean - expected)).toBeLessThan(4.5 * error);
    expectMean(
      moment(() => 1),
      1,
    );
    for (let i = 0; i < dimension; i++) {
      expectMean(
        moment((s) => z[s * dimension + i]),
        0,
      );
      expectMean(
        moment((s) => z[s * dimension + i] ** 2),
        1,
      );
    }
    // The highest power that models of the degree have a square of.
    let expected = 1;
    for (let i = 1; i < 2 * degree; i += 2) expected *= i;
    const top = moment((s) => z[s * dimension] ** (2 * degree));
    expectMean(top, expected);
    // Which plain samples would not know to a tenth.
    if (dimension <= 2) expect(top.error / expected).toBeLessThan(0.1);
  });

  test('leaves the samples of N(0, I) as they are, and is the same on every backend', async () => {
    const { z, plain, weights } = await draw(name, 4);
    let same = 0;
    for (let s = 0; s < PERIOD; s++) {
      const [from, to] = [s * DIMENSION, (s + 1) * DIMENSION];
      if (z.subarray(from, to).every((value, i) => value === plain[from + i])) same++;
    }
    expect(same).toBeGreaterThanOrEqual(4);
    const other = await draw('fallback', 4);
    expect(z).toEqual(other.z);
    expect(weights).toEqual(other.weights);
  });
});

describe('components', () => {
  const moved = (component: Component, y: number[], square: number, more: number) => {
    const values = Float64Array.from(y);
    return { scale: component.move(values, square, more), y: [...values] };
  };

  test('a shell has the density |z|^e / E|z|^e', () => {
    const component = shell(3, 4);
    // E r⁴ = 3 · 5.
    expect(component.logRatio(new Float64Array(0), 7)).toBeCloseTo(Math.log(7 ** 2 / 15), 12);
    expect(shell(1, 2).logRatio(new Float64Array(0), 5)).toBeCloseTo(Math.log(5), 12);
    // E|x| = √(2/π).
    expect(shell(1, 1).logRatio(new Float64Array(0), 4)).toBeCloseTo(Math.log(2 / Math.sqrt(2 / Math.PI)), 12);
    expect(moved(component, [1], 4, 12)).toEqual({ scale: 2, y: [2] });
  });

  test('a stretched law has that of a normal one', () => {
    const component = stretched(Float64Array.of(4));
    expect(component.logRatio(Float64Array.of(2), 99)).toBeCloseTo(-0.5 * 1 - Math.log(2) + 0.5 * 4, 12);
    expect(moved(component, [3], 9, 0)).toEqual({ scale: 1, y: [6] });
  });

  test('a peaked one that of a power along one direction', () => {
    const component = peaked(Float64Array.of(5));
    expect(component.extra).toBe(4);
    expect(component.logRatio(Float64Array.of(3), 99)).toBeCloseTo(Math.log(81 / 3), 12);
    expect(moved(component, [3], 99, 7)).toEqual({ scale: 1, y: [4] });
  });

  test('shells reach to |z|² = 2k + d', () => {
    for (const [dimension, degree] of [
      [1, 1],
      [1, 125],
      [32, 16],
      [64, 8],
    ] as const) {
      const exponents = shellExponents(dimension, degree);
      expect(exponents.at(-1)).toBe(2 * degree);
      expect(exponents).toEqual([...exponents].sort((a, b) => a - b));
      expect(exponents[0]).toBeGreaterThan(0);
    }
  });
});

describe('directions', () => {
  const products = (rows: Float64Array, count: number) => innerProducts(rows, count, FALLBACK, {});
  /** The bound is not known, so that directions are iterated. */
  const unknown = async (_rows: Float64Array, count: number) => new Float64Array(count * count).fill(Number.NaN);
  const points = async (along: number) => {
    const z = await FALLBACK.normals.draw({ seed: 3, stream: 0, dimension: 5 }, 0, 2000);
    for (let at = 0; at < z.length; at += 5) {
      const step = (Math.sqrt(along) - 1) * (0.6 * z[at] + 0.8 * z[at + 3]);
      z[at] += 0.6 * step;
      z[at + 3] += 0.8 * step;
    }
    return z;
  };

  test('are those along which points spread, and no more', async () => {
    const found = await spreadDirections(await points(7), 5, { effective: 1000, most: 9, products }, new Pacer());
    expect(found!.variances).toHaveLength(1);
    expect(found!.variances[0]).toBeGreaterThan(6);
    expect(Math.abs(found!.basis[0] * 0.6 + found!.basis[3] * 0.8)).toBeGreaterThan(0.99);
    const limited = await spreadDirections(await points(7), 5, { effective: 1000, most: 3, products }, new Pacer());
    expect([...limited!.variances]).toEqual([3]);
    expect(await spreadDirections(await points(1), 5, { effective: 1000, most: 9, products }, new Pacer())).toBeNull();
    // Of few points, noise spreads as far.
    expect(await spreadDirections(await points(2), 5, { effective: 10, most: 9, products }, new Pacer())).toBeNull();
  });

  test('of many numbers and few points are ruled out by their inner products, and only those', async () => {
    const [count, dimension] = [24, 600];
    for (const [along, stands] of [
      [1, false],
      [2, false],
      [300, true],
    ] as const) {
      const z = await FALLBACK.normals.draw({ seed: 5, stream: 0, dimension }, 0, count);
      for (let at = 0; at < z.length; at += dimension) z[at] *= Math.sqrt(along);
      let squarings = 0;
      const counted = (rows: Float64Array, size: number) => {
        squarings++;
        return products(rows, size);
      };
      const settings = { effective: count / 2, most: 999 };
      const found = await spreadDirections(z, dimension, { ...settings, products: counted }, new Pacer());
      const iterated = await spreadDirections(z, dimension, { ...settings, products: unknown }, new Pacer());
      expect(squarings).toBeGreaterThan(0);
      expect(found).toEqual(iterated);
      expect(found !== null).toBe(stands);
    }
  });

  test('come from sums in the order of plain loops', async () => {
    for (const [count, width, dimension] of [
      [1, 1, 1],
      [9, 5, 3],
      [66, 32, 1030],
    ] as const) {
      const points = await FALLBACK.normals.draw({ seed: 6, stream: 0, dimension }, 0, count);
      const basis = await FALLBACK.normals.draw({ seed: 6, stream: 1, dimension }, 0, width);
      const sums = new Float64Array(count * width);
      await addProducts(sums, points, basis, dimension, new Pacer());
      const combined = basis.slice();
      await addCombinations(combined, sums, points, dimension, new Pacer());
      const plain = new Float64Array(count * width);
      const plainly = basis.slice();
      for (let s = 0; s < count; s++) {
        for (let k = 0; k < width; k++) {
          for (let i = 0; i < dimension; i++)
            plain[s * width + k] += points[s * dimension + i] * basis[k * dimension + i];
          for (let i = 0; i < dimension; i++)
            plainly[k * dimension + i] += plain[s * width + k] * points[s * dimension + i];
        }
      }
      expect(sums).toEqual(plain);
      expect(combined).toEqual(plainly);
    }
  });
});
