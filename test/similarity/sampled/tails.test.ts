import { describe, expect, test } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { FALLBACK } from '../../../lib/fallback/backend.js';
import { productsOf } from '../../../lib/similarity/sampled/batch.js';
import { Chains } from '../../../lib/similarity/sampled/chains.js';
import { Monitor } from '../../../lib/similarity/sampled/monitor.js';
import { paretoIndex, Tails } from '../../../lib/similarity/sampled/tails.js';
import { random } from '../../support/random.js';

describe('tails', () => {
  const draw = random(1);
  const of = (value: () => number, count: number) => {
    const tails = new Tails(1);
    tails.counted(count);
    for (let i = 0; i < count; i++) tails.add(0, value());
    return tails;
  };

  test.each([0.2, 0.5, 1])('find the index %f of Pareto laws', (k) => {
    const index = of(() => (1 - draw.uniform()) ** -k, 20_000).index(0);
    expect(Math.abs(index - k)).toBeLessThan(0.2);
  });

  test('know that a bounded law ends', () => {
    expect(of(() => draw.uniform(), 20_000).index(0)).toBeLessThan(0);
    expect(of(() => (draw.uniform() < 0.1 ? 1 : 0), 20_000).index(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(of(() => 0, 20_000).index(0)).toBe(Number.NEGATIVE_INFINITY);
  });

  test('fit exact quantiles', () => {
    const quantiles = Array.from({ length: 500 }, (_, i) => 2 * ((1 - (i + 0.5) / 500) ** -0.5 - 1));
    expect(Math.abs(paretoIndex(quantiles) - 0.5)).toBeLessThan(0.1);
  });

  test('count effective values, whatever their size', () => {
    for (const unit of [1e-200, 1, 1e200]) {
      let i = 0;
      expect(of(() => unit, 100).effective(0)).toBeCloseTo(100, 9);
      expect(of(() => (i++ === 50 ? 99 * unit : unit), 100).effective(0)).toBeCloseTo(198 ** 2 / (99 ** 2 + 99), 9);
    }
  });
});

describe('tails of groups', () => {
  const draw = random(4);
  const GROUPS = 5;
  // Groups of different sizes, some beyond what is kept, whose values differ in their orders of size.
  const groups = Array.from({ length: GROUPS }, (_, group) =>
    Array.from({ length: 200 * (group + 1) }, () => 10 ** (2 * group) * (1 - draw.uniform()) ** -0.4),
  );
  const whole = new Tails(2, GROUPS);
  for (const [group, values] of groups.entries()) {
    whole.counted(values.length);
    for (const value of values) whole.add(1, value, group);
  }

  test('are those of all values together', () => {
    const one = new Tails(2);
    for (const values of groups) {
      one.counted(values.length);
      for (const value of values) one.add(1, value);
    }
    expect(whole.effective(1) / one.effective(1)).toBeCloseTo(1, 12);
    expect(whole.index(1)).toBe(one.index(1));
    expect(whole.effective(0)).toBe(3000);
  });

  test('have the same bits if groups come from elsewhere, in any order', () => {
    const put = new Tails(2, GROUPS);
    for (const group of [3, 0, 4, 2, 1]) {
      const own = new Tails(2);
      own.counted(groups[group].length);
      for (const value of groups[group]) own.add(1, value);
      put.put(group, own.state());
    }
    expect([put.effective(0), put.effective(1), put.index(1)]).toEqual([3000, whole.effective(1), whole.index(1)]);
  });
});

describe('the monitor', () => {
  const size = { count: 4000, positions: 1, outputs: 2 };
  const draw = random(2);
  const values = [0, 1].map(() => Float64Array.from({ length: 8000 }, () => draw.normal()));
  const known = [0, 1, 2].map((c) => ({ cosine: 0, normA: c === 0 ? Math.SQRT2 : 1, normB: c === 0 ? Math.SQRT2 : 1 }));

  test('trusts what many samples carry, in all and per output', async () => {
    const monitor = new Monitor(2, 3, [known]);
    await monitor.add(productsOf(values, null, size, 3, monitor.pairs), new Pacer());
    for (const c of [0, 1, 2]) {
      expect(monitor.trusts(c)).toBe(true);
      expect(monitor.lacks(c)).toBeLessThan(1);
    }
    // Of squares of normal numbers a third: E z⁴ = 3.
    expect(Math.abs(monitor.effective(1) / 4000 - 1 / 3)).toBeLessThan(0.05);
  });

  test('mistrusts the output alone that one sample carries', async () => {
    const heavy = values.map((one) => Float64Array.from(one, (value, i) => (i === 4001 ? 1000 : value)));
    const monitor = new Monitor(2, 3, [known]);
    await monitor.add(productsOf(heavy, null, size, 3, monitor.pairs), new Pacer());
    expect([0, 1, 2].map((c) => monitor.trusts(c))).toEqual([false, true, false]);
  });
});

describe('chains', () => {
  test('tend to the law that they are aimed at, a power far out', async () => {
    const backend = FALLBACK;
    const count = 256;
    const normals = (stream: number) => (round: number) =>
      backend.normals.draw({ seed: 5, stream, dimension: 2 }, round * count, count);
    const target = {
      normals: normals(1),
      // x⁸ e^(−|z|²/2): E x² = 9, E y² = 1.
      logLikelihood: async (z: Float64Array) =>
        Float64Array.from({ length: count }, (_, c) => 8 * Math.log(Math.abs(z[2 * c]))),
    };
    const settings = { dimension: 2, seed: 5, stream: 2, signal: undefined };
    const chains = await Chains.open(await normals(0)(0), target, settings);
    for (let round = 0; round < 200; round++) await chains.round();
    let [x, y, looks] = [0, 0, 0];
    for (let round = 0; round < 200; round++) {
      await chains.round();
      if (round % 20 > 0) continue;
      looks++;
      for (let c = 0; c < count; c++) {
        x += chains.points[2 * c] ** 2 / count;
        y += chains.points[2 * c + 1] ** 2 / count;
      }
    }
    expect(Math.abs(x / looks - 9)).toBeLessThan(0.5);
    expect(Math.abs(y / looks - 1)).toBeLessThan(0.15);
  });
});
