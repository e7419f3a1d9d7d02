import { describe, expect, it } from 'vitest';
import { gateReport } from '../../lib/report/gate.js';
import { compareHtml, matrixHtml } from '../../lib/report/html.js';
import { compareJsonText } from '../../lib/report/json.js';
import { matrixText } from '../../lib/report/matrix_text.js';
import { compareText } from '../../lib/report/text.js';
import { judge } from '../../lib/similarity/gate/gate.js';
import { comparison, matrixOf, SLICES, symmetric } from './helpers.js';

/** More than fit on the stack as arguments. */
const OUTPUTS = 250_000;
const perOutput = Array.from({ length: OUTPUTS }, (_, i) => ({
  ...SLICES[0],
  name: `${i}`,
  similarity: (i % 100) / 100,
}));
const result = comparison({ perOutput });

describe(`${OUTPUTS} outputs`, { timeout: 60_000 }, () => {
  it('are printed, all of them', () => {
    expect(compareText(result).split('\n').length).toBeGreaterThan(OUTPUTS);
  });

  it('are judged and told, with a baseline too', () => {
    const verdict = judge(result, { minOutput: 0.5, baseline: result, maxDrop: 0.01 } as never);
    expect(verdict.checks.length).toBeGreaterThan(2 * OUTPUTS);
    const end = { result: { ...verdict, limits: {}, comparison: result } } as never;
    const subjects = { candidate: { label: 'a' }, reference: { label: 'b' } };
    for (const format of ['text', 'markdown', 'junit'] as const)
      expect([...gateReport(format, subjects, end)].join('').length).toBeGreaterThan(OUTPUTS);
    expect(JSON.parse([...gateReport('json', subjects, end)].join('')).comparison.perOutput).toHaveLength(OUTPUTS);
  });

  it('are written as JSON in pieces, the same as at once', () => {
    const pieces = [...compareJsonText(result)];
    expect(pieces.length).toBeGreaterThan(100);
    expect(JSON.parse(pieces.join('')).perOutput.at(-1)).toMatchObject({ name: `${OUTPUTS - 1}`, similarity: 0.99 });
  });

  it('of a matrix are summed up in words and on a page', async () => {
    const cosine = symmetric(3, (i, j) => 1 / (1 + i + j));
    const one = matrixOf(['a', 'b', 'c'], cosine, { 0: cosine });
    const slices = perOutput.map(() => cosine);
    const names = perOutput.map(({ name }) => name);
    const matrix = { ...one, perOutput: { ...one.perOutput!, names, cosine: slices, gram: slices } };
    expect(matrixText(matrix)).toContain('all others at least');
    expect(await matrixHtml(matrix)).toContain(`the 64 of ${OUTPUTS} that change most`);
    expect(await compareHtml(result)).toContain('</html>');
  });
});
