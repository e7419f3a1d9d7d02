import { oneLine } from '../../words/quoting.js';
import { button, made, table } from './elements.js';
import { pngOf, svgText } from './picture.js';
import { LARGER, SMALLER } from './pointer.js';
import { FORMATS, type Seen, save } from './seen.js';
import { valueText } from './values.js';
import type { Views } from './views.js';

/** Rows and columns of a table for those who do not see the chart. */
const LONGEST = 100;

/**
 * Puts buttons over a chart: what keys and mouse do, for those who have neither at hand, and downloads. Below it comes
 * a table of what is seen.
 */
export function addTools(charts: readonly HTMLElement[], views: Views, seen: () => Seen): void {
  const hint = 'Click pins, dragging enlarges; keys: arrows, Enter, + − 0';
  const parts = [
    button('+', 'Enlarge', () => views.zoom(LARGER)),
    button('−', 'Show more', () => views.zoom(SMALLER)),
    button('All', 'Show all models', () => views.change({ region: null })),
    downloads(charts, seen),
    made('span', hint),
  ];
  addBar(charts, parts);
  charts[charts.length - 1].after(tableOf(views, nameOf(charts), seen));
}

/** The same of a chart that cannot be enlarged and has its table already: downloads. */
export function addDownloads(charts: readonly HTMLElement[], seen: () => Seen, hint: string): void {
  addBar(charts, [downloads(charts, seen), made('span', hint)]);
}

const nameOf = ([first]: readonly HTMLElement[]) => first.getAttribute('aria-label') ?? '';

function addBar(charts: readonly HTMLElement[], parts: readonly Node[]): void {
  // Above all pictures of the section.
  const top = charts[0].parentElement!.querySelector('.chart') ?? charts[0];
  top.before(made('div', parts, { class: 'tools', role: 'group', 'aria-label': `View of ${nameOf(charts)}` }));
}

/** Buttons that download the numbers of what is seen. */
function numbers(seen: () => Seen): HTMLButtonElement[] {
  return (['csv', 'npy', 'json'] as const).map((format) =>
    button(format.toUpperCase(), `Download ${format.toUpperCase()}`, () =>
      save(`${seen().name}.${format}`, FORMATS[format](seen())),
    ),
  );
}

/** Puts downloads below a table, which is no picture. */
export function addNumbers(place: HTMLElement, seen: () => Seen): void {
  const menu = made('details', [made('summary', 'Download'), made('div', numbers(seen))], { class: 'menu' });
  place.after(made('div', [menu], { class: 'tools', role: 'group', 'aria-label': `View of ${seen().title}` }));
}

function downloads(charts: readonly HTMLElement[], seen: () => Seen): HTMLElement {
  // Of the two widths the one that is seen.
  const visible = () => charts.find(({ offsetWidth }) => offsetWidth > 0) ?? charts[0];
  const file = (ending: string) => `${seen().name}.${ending}`;
  const buttons = [
    button('PNG', 'Download PNG', async () => save(file('png'), [await pngOf(visible())], 'image/png')),
    button('SVG', 'Download SVG', () => save(file('svg'), [svgText(visible())], 'image/svg+xml')),
    ...numbers(seen),
  ];
  return made('details', [made('summary', 'Download'), made('div', buttons)], { class: 'menu' });
}

/** A table that is made when it is opened, and again when something else is seen. */
function tableOf(views: Views, name: string, seen: () => Seen): HTMLElement {
  const details = made('details', [made('summary', 'As a table')], { class: 'seen' });
  const fill = () => {
    if (!details.open) return;
    const { title, rows, columns, value } = seen();
    const isCut = rows.length > LONGEST || columns.length > LONGEST;
    const [down, across] = [rows, columns].map((names) => names.slice(0, LONGEST).map(oneLine));
    const cut = isCut ? `, the first ${down.length} rows and ${across.length} columns: enlarge for others` : '';
    const lines = down.map((row, i) => [row, ...across.map((_, j) => valueText(value(i, j)))]);
    const summary = details.firstElementChild!;
    details.replaceChildren(summary, table(`${name}: ${title}${cut}`, ['model', ...across], lines));
  };
  details.addEventListener('toggle', fill);
  views.onChange(fill);
  return details;
}
