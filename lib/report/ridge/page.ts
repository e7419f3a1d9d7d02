import type { RidgeSweep } from '../../similarity/series/ridge_sweep.js';
import { escapeMarkup } from '../../words/markup.js';
import { similarityText } from '../../words/numbers.js';
import { type About, obtained } from '../about.js';
import { PAGE, PAPER } from '../chart.js';
import { bothWidths } from '../figure.js';
import { page } from '../page.js';
import { INNER_WIDTH, stack, textChart } from '../svg.js';
import { ridgeChart } from './chart.js';
import { extentText, type SweptResult, sweptRows } from './rows.js';

const CAPTION = 'Similarity by ridge: the part of the covariance that the identity takes over';

const titleOf = (result: SweptResult): string =>
  result.kind === 'pair'
    ? `${result.a} and ${result.b}`
    : `${(result.kind === 'matrix' ? result.labels : result.rows).length} models`;

/** A page about a sweep: the chart, and the numbers below it. */
export async function ridgeHtml(sweep: RidgeSweep<SweptResult>, about: About = {}): Promise<string> {
  const [{ result }] = sweep.steps;
  const rows = sweptRows(sweep);
  const title = titleOf(result);
  const head = ['ridge', ...rows.map(({ name }) => name), 'directions reached'];
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell) => `<${tag} class="number">${escapeMarkup(cell)}</${tag}>`).join('');
  const body = sweep.steps.map(({ ridge, extent }, i) => {
    const values = rows.map(({ values }) => similarityText(values[i], 6));
    return `<tr>${cells([`${ridge}`, ...values, extent === undefined ? '–' : extentText([extent])], 'td')}</tr>`;
  });
  const table = `<div class="scroll"><table class="outputs"><thead><tr>${cells(head, 'th')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
  const chart = await bothWidths({ kind: 'bars', name: CAPTION }, (width) => ridgeChart(sweep, width, PAGE));
  return page(
    `tensim: ${title}`,
    `<main>
<header><p class="over">tensim: how the answer depends on the law</p><h1>${escapeMarkup(title)}</h1></header>
<div class="columns">
<div class="column"><section><h2>${escapeMarkup(CAPTION)}</h2>${chart}${table}</section></div>
<div class="column"><section><h2>How this was obtained</h2>${obtained(result, [], about)}</section></div>
</div>
</main>`,
  );
}

/** The chart alone, on white. */
export async function ridgeSvg(sweep: RidgeSweep<SweptResult>): Promise<string> {
  const [{ result }] = sweep.steps;
  return stack([textChart([titleOf(result), CAPTION], INNER_WIDTH), ridgeChart(sweep, INNER_WIDTH, PAPER)]);
}
