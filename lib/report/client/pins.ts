import { button, copy, made, table } from './elements.js';
import type { Names } from './heatmap.js';
import { type Cells, valueText } from './values.js';
import type { Pair, Views } from './views.js';

/** What the list of pinned cells needs to know of the page. */
export interface PinnedPage {
  readonly names: Names;
  readonly matrices: readonly Cells[];
  readonly views: Views;
  /** The command that explains how two models differ; none where it knows no such models. */
  command(pair: Pair): string | null;
}

/** Lists the pinned cells, compares them in every matrix of the page, and leads on from each. */
export function listPins(place: HTMLElement, page: PinnedPage): void {
  const { views } = page;
  const draw = () => {
    const { pins } = views.state;
    place.hidden = pins.length === 0;
    place.replaceChildren(...(pins.length === 0 ? [] : [section(pins, page)]));
  };
  views.onChange(draw);
  draw();
}

function section(pins: readonly Pair[], page: PinnedPage): HTMLElement {
  const { views } = page;
  const all = button('Unpin all', 'Unpin all cells', () => views.change({ pins: [] }));
  const parts: HTMLElement[] = [made('div', [made('h2', 'Pinned cells'), all], { class: 'bar' })];
  for (const [at, pin] of pins.entries()) parts.push(line(at, pin, page));
  const head = ['shown', ...pins.map((_, at) => `#${at + 1}`)];
  const rows = sorted(pins, page.matrices);
  // The first matrix is of all outputs together: among the others the lowest of each pin is marked.
  const parted = rows.filter(({ index }) => index > 0);
  const lowest = pins.map((_, at) => lowestOf(parted.map(({ values }) => values[at])));
  const values = rows.map(({ name, values }) => [name, ...values.map(valueText)]);
  const isMarked = (row: number, at: number) =>
    rows[row].index > 0 && lowest[at] !== null && rows[row].values[at] === lowest[at];
  parts.push(table('Similarities of the pinned cells', head, values, isMarked));
  if (pins.length > 1) parts.push(made('p', differences(pins, page), { class: 'note' }));
  return made('section', parts, { class: 'pins', 'aria-label': 'Pinned cells' });
}

function line(at: number, pin: Pair, { names, views, command }: PinnedPage): HTMLElement {
  const [row, column] = pin;
  const pair = `${names.rows[row]} and ${names.columns[column]}`;
  const number = `#${at + 1}`;
  const parts: HTMLElement[] = [
    made('b', number),
    made('span', pair, { class: 'pair' }),
    button('Unpin', `Unpin ${number}`, () => views.pin(pin)),
  ];
  const words = command(pin);
  if (words !== null) {
    const copied = button('Copy', `Copy the command for ${number}`, () => copy(words));
    parts.push(made('div', [made('span', 'Where they differ: '), made('code', words), copied], { class: 'command' }));
  }
  return made('div', parts, { class: 'pin-line' });
}

interface Row {
  readonly name: string;
  readonly index: number;
  readonly values: readonly (number | null)[];
}

/** The values of the pins in every matrix: that of all first, then by the lowest, the worst on top. */
function sorted(pins: readonly Pair[], matrices: readonly Cells[]): Row[] {
  const rows = matrices.map((cells, index): Row => {
    return { name: cells.matrix.name, index, values: pins.map(([row, column]) => cells.at(row, column)) };
  });
  const least = ({ values }: Row) => values.reduce<number>((low, value) => Math.min(low, value ?? low), 2);
  return [...rows.slice(0, 1), ...rows.slice(1).sort((a, b) => least(a) - least(b) || a.index - b.index)];
}

/** The lowest of several values that are not all the same. */
function lowestOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  return known.length > 0 && known[0] < known[known.length - 1] ? known[0] : null;
}

/** How the shown similarities of the pins differ from that of the first. */
function differences(pins: readonly Pair[], { matrices, views }: PinnedPage): string {
  const cells = matrices[views.state.chosen];
  const [first, ...others] = pins.map(([row, column]) => cells.at(row, column));
  const words = others.map((value, at) => {
    const difference = value === null || first === null ? 'undefined' : signed(value - first);
    return `#${at + 2}: ${difference}`;
  });
  return `Against #1 in ${cells.matrix.name}: ${words.join(', ')}`;
}

const signed = (value: number) => `${value < 0 ? '−' : '+'}${Number(Math.abs(value).toPrecision(4))}`;
