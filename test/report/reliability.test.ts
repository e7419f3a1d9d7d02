import { describe, expect, it } from 'vitest';
import { compareHtml, matrixHtml } from '../../lib/report/html.js';
import { matrixText } from '../../lib/report/matrix_text.js';
import { isUseless } from '../../lib/report/reliability.js';
import { compareText } from '../../lib/report/text.js';
import type { Sampling } from '../../lib/similarity/terms/types.js';
import { comparison, matrixOf, symmetric } from './helpers.js';

const sampling = (changes: Partial<Sampling>): Sampling => ({
  ...{ samples: 262144, effectiveSamples: 90000, seed: 0, tolerance: 0.005, interval: 0.4, reached: false },
  ...{ tokenModels: false, ...changes },
});
const sampled = (changes: Partial<Sampling>) =>
  ({ method: 'sampled', exact: false, standardError: 0.2, sampling: sampling(changes) }) as const;
const labels = ['step_1', 'step_2', 'step_3', 'step_4', 'step_5'];
const cosine = symmetric(5, (i, j) => 1 - 0.1 * (j - i));

describe('a result whose interval says nothing', () => {
  it('is none that is wide but tells something, or that is reached', () => {
    expect(isUseless({ sampling: null })).toBe(false);
    expect(isUseless({ sampling: sampling({ interval: 0.01 }) })).toBe(false);
    expect(isUseless({ sampling: sampling({ interval: 0.9, tolerance: 1, reached: true }) })).toBe(false);
    expect(isUseless({ sampling: sampling({ interval: 0.4 }) })).toBe(true);
    expect(isUseless({ sampling: sampling({ interval: 0.01, effectiveSamples: 12 }) })).toBe(true);
  });

  it('says so before anything else, and what helps', () => {
    const text = compareText(comparison({ ...sampled({ tokenModels: true }) }), { colour: true });
    const lines = text.split('\n').filter((line) => line !== '');
    expect(lines[2]).toBe('This is no answer yet.');
    expect(lines[4]).toMatch(/models of tokens.*--input tokens/);
    expect(text.indexOf('no answer')).toBeLessThan(text.indexOf('similarity'));
    expect(text).not.toContain('\u001b[1m');
    expect(compareText(comparison(sampled({ interval: 0.01 })), { colour: true })).toContain('\u001b[1m');
    expect(compareText(comparison(sampled({})))).toMatch(/--max-samples/);
  });

  it('has no headline, neither in text nor on a page', async () => {
    const useless = matrixOf(labels, cosine, undefined, sampled({}));
    const text = matrixText(useless);
    expect(text.startsWith('This is no answer yet.\n')).toBe(true);
    expect(text).not.toMatch(/Largest change|Onset/);
    expect(matrixText(matrixOf(labels, cosine, undefined, sampled({ interval: 0.01 })))).toMatch(/^Largest change/m);
    const many = Array.from({ length: 60 }, (_, i) => `step_${i}`);
    const far = symmetric(60, (i, j) => 1 / (1 + j - i));
    expect(matrixText(matrixOf(many, far, undefined, sampled({})))).not.toContain('change from one to the next');
    const page = await matrixHtml(useless);
    expect(page).toContain('<h1>Similarity</h1>');
    expect(page).toContain('This is no answer yet.');
    const pair = await compareHtml(comparison(sampled({})));
    expect(pair).not.toContain('<div class="big">');
    expect(pair).toContain('This is no answer yet.');
  });
});
