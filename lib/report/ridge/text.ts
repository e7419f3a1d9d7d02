import type { BlocksResult } from '../../blocks/terms.js';
import type { RidgeSweep } from '../../similarity/series/ridge_sweep.js';
import { similarityDecimals } from '../../words/numbers.js';
import { columns, pairTitle } from '../text.js';
import { extentsOf, extentText, type SweptResult, sweptRows } from './rows.js';

const SENTENCES = [
  'ridge: the part of the covariance that the identity takes over. Under the law itself nothing is said of directions',
  'that it does not reach, under the identity nothing of which are in use; neither predicts a loss.',
].join('\n');

/** What is printed of a sweep: a line for each ridge, or for blocks a column. */
export function ridgeText(sweep: RidgeSweep<SweptResult | BlocksResult>): string {
  const { steps } = sweep;
  const rows = sweptRows(sweep);
  const decimals = similarityDecimals(
    rows.flatMap(({ values }) => values.map((value) => value ?? Number.NaN)),
    6,
  );
  const cell = (value: number | null) => (value === null || Number.isNaN(value) ? '–' : value.toFixed(decimals));
  const ridges = steps.map(({ ridge }) => String(ridge));
  const reached = steps.map(({ extent, result }) => {
    const extents = extent === undefined && result.kind === 'blocks' ? extentsOf(result) : extent && [extent];
    return extents === undefined || extents.length === 0 ? '–' : extentText(extents);
  });
  const [{ result }] = steps;
  if (result.kind === 'blocks') {
    const table = [['ridge', ...ridges], ...rows.map(({ name, values }) => [name, ...values.map(cell)])];
    const directions = columns(
      [['ridge', 'directions reached'], ...ridges.map((ridge, i) => [ridge, reached[i]])],
      'rl',
    );
    const title = pairTitle({ a: result.a.path, b: result.b.path });
    return `${[title, columns(table, `l${'r'.repeat(steps.length)}`), directions, SENTENCES].join('\n\n')}\n`;
  }
  const table = [
    ['ridge', ...rows.map(({ name }) => name), 'directions reached'],
    ...steps.map((_, i) => [ridges[i], ...rows.map(({ values }) => cell(values[i])), reached[i]]),
  ];
  const title = result.kind === 'pair' ? [pairTitle(result)] : [];
  return `${[...title, columns(table, `r${'r'.repeat(rows.length)}l`), SENTENCES].join('\n\n')}\n`;
}
