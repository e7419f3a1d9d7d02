import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { consecutive, largestChange, onset, outputOnsets, standingOut } from '../../lib/similarity/series/onset.js';
import { golden, matrixOf, seriesOf, symmetric } from '../report/helpers.js';

describe('consecutive', () => {
  it('reads the values beside the diagonal and keeps NaN', () => {
    const matrix = symmetric(4, (i, j) => (i === 1 && j === 2 ? Number.NaN : 0.1 * (i + 10 * j)));
    expect([...consecutive(matrix)]).toEqual([0.1 * 10, Number.NaN, 0.1 * 32]);
  });

  it('is empty for one model and for none', () => {
    expect(consecutive([Float64Array.of(1)])).toHaveLength(0);
    expect(consecutive([])).toHaveLength(0);
  });
});

describe('the largest change', () => {
  it('is the step of least similarity, the first of equals, with the output that changed most at it', () => {
    const matrix = seriesOf([0.9, 0.4, 0.4], { 7: [0, 0.3, 0], 8: [0, 0.2, 0], 9: [0, 0.2, 0] });
    expect(largestChange(matrix)).toEqual({
      from: 1,
      to: 2,
      similarity: 0.4,
      output: { name: '8', from: 1, to: 2, similarity: 0.2 },
    });
  });

  it('passes over undefined outputs, and names none where all are undefined', () => {
    const { NaN: nan } = Number;
    expect(largestChange(seriesOf([0.5], { zero: [nan], one: [0.9] }))?.output?.name).toBe('one');
    expect(largestChange(seriesOf([0.5], { zero: [nan] }))).toEqual({ from: 0, to: 1, similarity: 0.5 });
  });

  it('is null without two models', () => {
    expect(largestChange(matrixOf(['alone'], [Float64Array.of(1)]))).toBeNull();
    expect(onset(matrixOf(['alone'], [Float64Array.of(1)]))).toBeNull();
  });
});

describe('the onset', () => {
  const calm = [0.15, 0.97, 0.984, 0.989, 0.99, 0.991, 0.99, 0.992];

  it('is the change that stands out from the level before it, not the larger one out of the initialisation', () => {
    const found = onset(seriesOf([...calm, 0.95, 0.992, 0.993]));
    expect(found).toMatchObject({ from: 8, to: 9, similarity: 0.95 });
    // The quietest three neighbours before it are 0.009, 0.01 and 0.008.
    expect(found?.rise).toBeCloseTo(0.05 / 0.01, 10);
  });

  it('may be the very last step', () => {
    expect(onset(seriesOf([...calm, 0.95]))).toMatchObject({ from: 8 });
  });

  it('is null while changes only fade or repeat', () => {
    expect(onset(seriesOf(calm))).toBeNull();
    expect(onset(seriesOf(new Array(20).fill(0.99)))).toBeNull();
  });

  it('does not take round-off between identical checkpoints for changes', () => {
    expect(onset(seriesOf([...new Array(9).fill(1), 1 - 1e-15]))).toBeNull();
    expect(onset(seriesOf([...new Array(9).fill(1), 1 - 1e-7], undefined, { dtype: 'float32' }))).toBeNull();
    expect(onset(seriesOf([...new Array(9).fill(1), 1 - 1e-7]))).toMatchObject({ from: 9 });
  });

  it('is not fooled by a checkpoint saved twice', () => {
    expect(onset(seriesOf([0.2, 0.98, 0.985, 1, 0.98, 0.981, 0.98]))).toBeNull();
  });

  it('is judged on the steps that are defined', () => {
    const { NaN: nan } = Number;
    expect(standingOut(Float64Array.of(nan, 0.99, 0.99, nan, 0.99, nan, 0.9), 1e-12)).toMatchObject({ index: 6 });
    expect(standingOut(new Float64Array(9).fill(nan), 1e-12)).toBeNull();
  });

  it('does not depend on the scale of the changes, and is at least threefold over the smallest one before', () => {
    const change = fc.double({ min: 1e-4, max: 0.5, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 10 }),
        (changes, halvings) => {
          const find = (scale: number) =>
            standingOut(
              Float64Array.from(changes, (x) => 1 - x * scale),
              0,
            );
          const [found, scaled] = [find(1), find(2 ** -halvings)];
          if (found === null) return;
          const before = changes.slice(0, found.index);
          expect(found.rise).toBeGreaterThanOrEqual(3);
          expect(changes[found.index] / Math.min(...before)).toBeGreaterThanOrEqual(found.rise * (1 - 1e-9));
          // Rounding 1 − x may decide ties and thresholds: only clear cases must agree.
          if (found.rise > 3.01 && scaled?.index !== found.index) expect(scaled!.rise / found.rise).toBeCloseTo(1, 8);
        },
      ),
    );
  });

  it('finds any change that is planted ten times above a level that varies by half', () => {
    const level = fc.array(fc.double({ min: 0.01, max: 0.015, noNaN: true }), { minLength: 8, maxLength: 200 });
    fc.assert(
      fc.property(level, fc.nat(), (changes, where) => {
        const index = 4 + Math.floor(changes.length / 16) + (where % Math.ceil(changes.length / 4));
        fc.pre(index < changes.length);
        const planted = changes.with(index, 0.15);
        expect(
          standingOut(
            Float64Array.from([0.9, ...planted], (x) => 1 - x),
            1e-12,
          )?.index,
        ).toBe(index + 1);
      }),
    );
  });
});

describe('on real checkpoints', () => {
  const name = ({ labels }: { labels: readonly string[] }, step: { from: number; to: number } | null) =>
    step && `${labels[step.from]} ${labels[step.to]}`;

  it('the backdoor enters at step 6000, and output 9 changes most', () => {
    for (const measure of ['gaussian', 'tensor', 'weights']) {
      const matrix = golden('digits-backdoor', measure);
      expect(name(matrix, onset(matrix))).toBe('step_06000 step_06200');
      expect(name(matrix, largestChange(matrix))).toBe('step_00000 step_00200');
    }
    const matrix = golden('digits-backdoor');
    expect(onset(matrix)?.output).toMatchObject({ name: '9' });
    expect(outputOnsets(matrix).map((found) => name(matrix, found))).toEqual(
      new Array(10).fill('step_06000 step_06200'),
    );
  });

  it('clean training before the backdoor has no onset', () => {
    const { labels, cosine } = golden('digits-backdoor');
    const clean = cosine.slice(0, 31).map((row) => row.slice(0, 31));
    expect(onset(matrixOf(labels.slice(0, 31), clean))).toBeNull();
  });

  it('each class that is added or removed shows in its own output', () => {
    const matrix = golden('digits-forgetting');
    expect(name(matrix, onset(matrix))).toBe('step_01000 step_01200');
    expect(onset(matrix)?.output?.name).toBe('5');
    const steps = outputOnsets(matrix).map((found) => name(matrix, found));
    expect(steps.slice(6)).toEqual([
      'step_02000 step_02200',
      'step_03000 step_03200',
      'step_04000 step_04200',
      'step_08000 step_08200',
    ]);
  });

  it('grokking is where the network changes most', () => {
    const matrix = golden('grokking');
    expect(name(matrix, onset(matrix))).toBe('step_019810 step_022900');
    expect(name(matrix, largestChange(matrix))).toBe('step_019810 step_022900');
  });
});
