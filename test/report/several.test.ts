import { describe, expect, it } from 'vitest';
import { crossCsv } from '../../lib/report/csv.js';
import { matrixHtml } from '../../lib/report/html.js';
import { crossJsonText, measuresJsonText } from '../../lib/report/json.js';
import { crossText, measuresText } from '../../lib/report/matrix_text.js';
import { crossHtml, measuresHtml } from '../../lib/report/several.js';
import { measureSentences, phasesOf } from '../../lib/report/summary.js';
import { crossSvg, measuresSvg } from '../../lib/report/svg.js';
import { compareMeasures } from '../../lib/similarity/series/measure_comparison.js';
import { checkXml, crossOf, golden, matrixOf, NASTY, symmetric } from './helpers.js';

describe('rows against columns', () => {
  const nasty = crossOf(NASTY, NASTY.slice(2, 6));

  it('are JSON, CSV and text whatever the labels', () => {
    const json = JSON.parse([...crossJsonText(nasty)].join(''));
    expect(json).toMatchObject({ schema: 'tensim.cross/1', rows: NASTY, columns: NASTY.slice(2, 6) });
    expect(json.cosine[1]).toEqual([0.5, 1 / 3, null, 0.2]);
    expect([...crossCsv(crossOf(['r'], ['a', 'b']))]).toEqual(['model,a,b\n', 'r,1,0.5\n']);
    expect(crossText(crossOf(['r', 's'], ['a', 'b']))).toMatch(/2 models against 2: similarities from 0\.3333 to 1\n/);
    expect(
      crossText(
        crossOf(
          ['r', 's'],
          Array.from({ length: 50 }, (_, i) => `${i}`),
        ),
      ),
    ).not.toContain('NaN');
  });

  it('are pictures that hold together', async () => {
    checkXml(await crossSvg(nasty));
    for (const cross of [nasty, crossOf(['one'], NASTY), crossOf(NASTY, ['one'])]) {
      const page = await crossHtml(cross);
      expect(page).not.toContain('<script>alert');
      // The page's own script, at its end, may speak of NaN; nothing else may.
      expect(page.split('<script>')[0]).not.toContain('NaN');
    }
  });
});

describe('several measures', () => {
  const functions = golden('digits-backdoor');
  const weights = { ...golden('digits-backdoor', 'weights'), measure: 'weights' as const, input: null };
  const start = functions.labels.indexOf('step_06200');

  it('are told of in words: their correlation and their block scores', () => {
    const sentences = measureSentences(compareMeasures([functions, weights], start));
    expect(sentences).toHaveLength(2);
    expect(sentences[0]).toMatch(/^The correlation of gaussian and weights over all pairs is 0\.9\d+\.$/);
    expect(sentences[1]).toMatch(/^Block score at step 6000 → 6200, .*: gaussian 0\.\d{4}, weights 0\.\d{4}\.$/);
    expect(measureSentences(compareMeasures([functions]))).toEqual([]);
  });

  it('are JSON, text and pictures side by side', async () => {
    for (const at of [start, null]) {
      const comparison = compareMeasures([functions, weights], at);
      const json = JSON.parse([...measuresJsonText(comparison)].join(''));
      expect(json.block).toEqual(at === null ? null : { start: 'step_06200', scores: [...comparison.block!.scores] });
      expect(json.matrices[1].cosine[0]).toHaveLength(41);
      expect(measuresText(comparison)).toContain('measure weights · exact');
      checkXml(await measuresSvg(comparison));
      const page = await measuresHtml(comparison);
      expect(page.match(/data-matrix="[01]"/g)).toHaveLength(4);
      expect(page.includes('block score')).toBe(at !== null);
    }
  });

  it('must be of the same models', () => {
    expect(() => compareMeasures([])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => compareMeasures([functions, golden('grokking')])).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
    );
  });
});

describe('the phases of a series', () => {
  it('are told of and framed where there are any', async () => {
    const grokking = golden('grokking');
    const { phases, sentences } = await phasesOf(grokking);
    expect(phases).toHaveLength(5);
    expect(sentences).toEqual([
      '5 phases account for 85 % of the variation: step 0 to 70, 108 to 823, 1079 to 6256, 7504 to 19810 and 22900 to 100000.',
    ]);
    const page = await matrixHtml(grokking);
    expect(page).toContain('5 phases account for 85 % of the variation');
    expect(page).toContain('and the phases');
  });

  it('are none where a series is short, changes gradually or was not compared in full', async () => {
    const labels = Array.from({ length: 12 }, (_, i) => `${i}`);
    const of = (value: (i: number, j: number) => number) => phasesOf(matrixOf(labels, symmetric(12, value)));
    const none = { phases: [], sentences: [] };
    expect(await of(() => 1)).toEqual(none);
    expect(await of(() => 0.1)).toEqual(none);
    expect(await of((i, j) => (j - i > 2 ? Number.NaN : 0.5))).toEqual(none);
    expect(
      await phasesOf(
        matrixOf(
          ['a', 'b'],
          symmetric(2, () => 0.1),
        ),
      ),
    ).toEqual(none);
  });
});
