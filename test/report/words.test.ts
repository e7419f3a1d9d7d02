import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { abbreviate, abbreviateAll, labelStride, shortenLabels, stepName } from '../../lib/report/labels.js';
import { matrixText } from '../../lib/report/matrix_text.js';
import { summarize } from '../../lib/report/summary.js';
import { compareText } from '../../lib/report/text.js';
import { escapeMarkup } from '../../lib/words/markup.js';
import { amountText, ratioText, similarityText } from '../../lib/words/numbers.js';
import { oneLine } from '../../lib/words/quoting.js';
import { comparison, golden, matrixOf, NASTY, SLICES, seriesOf, symmetric } from './helpers.js';

describe('labels', () => {
  it('that differ in one number become that number and what they have in common', () => {
    expect(shortenLabels(['step_00000', 'step_00200', 'step_10000'])).toEqual({
      noun: 'step',
      short: ['0', '200', '10000'],
      numbered: true,
    });
    expect(shortenLabels(['run2-epoch9.final', 'run2-epoch10.final'])).toMatchObject({
      noun: 'run2-epoch',
      short: ['9', '10'],
    });
    expect(shortenLabels(['007', '010'])).toMatchObject({ noun: '', short: ['7', '10'] });
  });

  it('of other kinds stay as they are, on one line', () => {
    for (const labels of [['alpha', 'beta'], ['step_1'], [], ['a1b2', 'a2b3'], ['step_1', 'step_'], NASTY])
      expect(shortenLabels(labels)).toEqual({ noun: '', short: labels.map(oneLine), numbered: false });
  });

  it('name a step', () => {
    expect(stepName(shortenLabels(['step_06000', 'step_06200']), 0, 1)).toBe('step 6000 → 6200');
    expect(stepName(shortenLabels(['alpha', 'beta']), 0, 1)).toBe('alpha → beta');
  });

  it('are cut to a limit in the middle and never inside a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 30 }), (text, limit) => {
        const cut = abbreviate(text, limit);
        expect([...cut].length).toBe(Math.min(limit, [...oneLine(text)].length));
        expect(() => encodeURIComponent(cut)).not.toThrow();
      }),
    );
  });

  it('are told apart when they are cut', () => {
    const wide = ['wda', 'wdb', 'wdc'].map((own) => `mnist_bilinear_adamw_${own}_lr_final_model`);
    expect(abbreviateAll(wide, 28)).toEqual(['wda', 'wdb', 'wdc'].map((own) => `mnist_bilinear_adamw_${own}_lr…`));
    const folders = [10000, 10050, 10100].map((step) => `checkpoint-${step}/pytorch_model_long_name`);
    expect(abbreviateAll(folders, 28)).toEqual([10000, 10050, 10100].map((step) => `checkpoint-${step}/pytorch_mo…`));
    const between = ['x', 'y'].map((own) => `${'long_'.repeat(6)}${own}${'_long'.repeat(6)}`);
    expect(abbreviateAll(between, 10)).toEqual(['…ng_x_lon…', '…ng_y_lon…']);
    expect(abbreviateAll(['alpha', 'alpha'], 3)).toEqual(['a…a', 'a…a']);
    const label = fc.tuple(fc.constantFrom('', 'a', 'common_', '😀'), fc.nat(200), fc.constantFrom('', '_b', '_tail'));
    fc.assert(
      fc.property(fc.array(label, { maxLength: 12 }), fc.integer({ min: 8, max: 40 }), (parts, limit) => {
        const labels = parts.map(([head, n, tail]) => `${head.repeat(n % 7)}${n}${tail.repeat(n % 11)}`);
        const short = abbreviateAll(labels, limit);
        for (const text of short) expect([...text].length).toBeLessThanOrEqual(limit);
        expect(new Set(short).size).toBe(new Set(labels).size);
      }),
    );
  });

  it('thin out to the room there is, by round strides', () => {
    expect([labelStride(41, 10), labelStride(40, 10), labelStride(2000, 9), labelStride(3, 0)]).toEqual([5, 5, 500, 5]);
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 200 }), (count, room) => {
        expect(Math.ceil(count / labelStride(count, room))).toBeLessThanOrEqual(room);
      }),
    );
  });
});

describe('numbers', () => {
  it('show how far a similarity is from 1, however near it is', () => {
    expect([1, 0.95963, 0.99999987, -0.5, 0, null, Number.NaN].map((value) => similarityText(value))).toEqual([
      '1',
      '0.9596',
      '0.99999987',
      '-0.5000',
      '0.0000',
      'undefined',
      'undefined',
    ]);
    fc.assert(
      fc.property(fc.double({ min: 1e-13, max: 1, noNaN: true }), (rest) => {
        const shown = 1 - Number(similarityText(1 - rest));
        expect(shown).toBeGreaterThan(0);
        expect(Math.abs(shown / (1 - (1 - rest)) - 1)).toBeLessThan(0.5);
      }),
    );
  });

  it('have few digits', () => {
    expect([
      amountText(48.04861),
      amountText(2),
      amountText(1.5e-9),
      ratioText(10.54),
      ratioText(27.9),
      ratioText(1234),
    ]).toEqual(['48.0486', '2', '1.5e-9', '10.5', '28', '1,200']);
  });

  it('markup keeps no character that could open or close anything', () => {
    for (const label of NASTY) expect(escapeMarkup(label).replace(/&#\d+;/g, '')).not.toMatch(/[<>&"'\0]/);
  });
});

describe('the summary', () => {
  it('of the backdoor names its step as the onset, and output 9', () => {
    const { headline, sentences } = summarize(golden('digits-backdoor'));
    expect(headline).toBe('Onset at step 6000 → 6200, output 9');
    expect(sentences).toEqual([
      'The onset, the change that stands out most, is step 6000 → 6200 (similarity 0.9596): 10.5 times the quietest stretch before it.',
      'Output 9 changed most there (similarity 0.8604; all others at least 0.9446).',
      'The largest change in all is step 0 → 200 (similarity 0.1518; most in output 3, 0.1059).',
    ]);
  });

  it('says it once where the onset is the largest change', () => {
    const { sentences } = summarize(golden('grokking'));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(
      /^The onset, the change that stands out most and the largest in all, is step 19810 → 22900 /,
    );
  });

  it('falls back to the largest change, and says so', () => {
    const { headline, sentences } = summarize(seriesOf([0.1, 0.9, 0.91, 0.92, 0.93]));
    expect(headline).toBe('Largest change at step 0 → 100');
    expect(sentences.join(' ')).toMatch(/largest change between consecutive models .* No later change stands out/);
  });

  it('names an output that stands out alone', () => {
    const steady = new Array(10).fill(0.99);
    const { sentences } = summarize(seriesOf(steady, { 4: steady, 5: steady.with(7, 0.5) }));
    expect(sentences.at(-1)).toMatch(
      /^On its own, output 5 stands out at step 700 → 800 \(similarity 0.5000\): 50 times/,
    );
  });

  it('calls the slices of the weights tensors', () => {
    const { headline } = summarize(seriesOf([0.5], { 'embed.weight': [0.2] }, { measure: 'weights' }));
    expect(headline).toBe('Largest change at step 0 → 100, tensor embed.weight');
  });

  it('is empty for one model', () => {
    expect(summarize(matrixOf(['a'], [Float64Array.of(1)]))).toMatchObject({ headline: null, sentences: [] });
  });
});

describe('text', () => {
  it('of a comparison has the similarity, what is behind it, and how it was obtained', () => {
    expect(compareText(comparison({ perOutput: SLICES }))).toBe(`step_06000
step_06200

similarity      0.959600
distance        13.7
fidelity error  0.0813 (relative distance 0.285)
inner product   2012.56
norms           48.0486 and 43.6477

measure gaussian · exact · input law standard, N(0, I) · dtype float64 · backend native

output               similarity  distance  norm a  norm b
0                      0.970000         1       3       4
1       undefined (zero output)         3       3       0
`);
  });

  it('of near models tells 1 − similarity, and of what is less than could be told from zero that it is', () => {
    const near = { similarity: 1, dissimilarity: 2e-9, fidelityError: 4e-9, relativeDistance: 6.3e-5, distance: 0.003 };
    expect(compareText(comparison(near)).split('\n').slice(3, 7)).toEqual([
      'similarity      1',
      '1 − similarity  2e-9',
      'distance        0.003',
      'fidelity error  4e-9 (relative distance 0.000063)',
    ]);
    const slice = { ...SLICES[0], distance: 1e-5, distanceResolution: 2e-5 };
    const lines = compareText(comparison({ ...near, distanceResolution: 0.0048, perOutput: [slice] })).split('\n');
    expect(lines.slice(4, 7)).toEqual([
      '1 − similarity  < 5.5e-9',
      'distance        < 0.0048',
      'fidelity error  < 1e-8 (relative distance < 0.0001)',
    ]);
    expect(lines).toContain('0         0.970000  < 0.00002       3       4');
  });

  it('of a few models is a table', () => {
    expect(matrixText(seriesOf([0.9, 0.25]))).toBe(`                 0     100     200
step_00000  1.0000  0.9000  0.5000
step_00100  0.9000  1.0000  0.2500
step_00200  0.5000  0.2500  1.0000

Largest change at step 100 → 200
The largest change between consecutive models is step 100 → 200 (similarity 0.2500).

measure gaussian · exact · input law standard, N(0, I) · dtype float64 · backend native
`);
  });

  it('of many models is a curve with the largest changes and the onset, within the terminal', () => {
    const text = matrixText(golden('digits-backdoor'));
    expect(text).toContain('step_06000 → step_06200      0.9596  onset');
    expect(text).toContain('Onset at step 6000 → 6200, output 9');
    const [, bars] = text.split('\n');
    expect(bars).toHaveLength(40);
    expect([bars![0], bars![30] !== bars![29]]).toEqual(['█', true]);
  });

  it('stays within 100 columns for any number of models', () => {
    for (const count of [1, 2, 9, 10, 11, 12, 13, 100, 101, 102, 350]) {
      const matrix = seriesOf(Array.from({ length: count - 1 }, (_, i) => 1 - 1 / (i + 2)));
      const lines = matrixText(matrix)
        .split('\n')
        .filter((line) => !/[.)]$/.test(line));
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    }
  });

  it('of identical models has no bars to divide by', () => {
    const text = matrixText(seriesOf(new Array(20).fill(1)));
    expect(text).toContain('▁'.repeat(20));
    expect(text).not.toContain('NaN');
  });

  it('tells models apart that are nearly the same', () => {
    expect(
      matrixText(
        matrixOf(
          ['a', 'b'],
          symmetric(2, () => 1 - 3e-7),
        ),
      ),
    ).toContain('0.9999997');
  });

  it('has escape codes only when asked', () => {
    const code = '\u001b[';
    expect(matrixText(golden('grokking'))).not.toContain(code);
    expect(matrixText(golden('grokking'), { colour: true })).toContain(`${code}1mOnset`);
    expect(compareText(comparison(), { colour: true })).toContain(`${code}1m0.959600${code}22m\n`);
  });
});
