import type { Pair, Sizes, Span, ViewState } from './views.js';

// What a page shows as the end of its address, so that a link leads to it: #view=2&zoom=0-10,4-20&pins=3-5,7-9. Whoever
// sends a link may have written anything: what is out of bounds is left out.

export function addressOf({ chosen, region, pins }: ViewState, first = 0): string {
  const parts = [
    ...(chosen === first ? [] : [`view=${chosen}`]),
    ...(region === null ? [] : [`zoom=${[region.rows, region.columns].map(joined).join(',')}`]),
    ...(pins.length === 0 ? [] : [`pins=${pins.map(joined).join(',')}`]),
  ];
  return parts.length === 0 ? '' : `#${parts.join('&')}`;
}

export function stateFrom(hash: string, { rows, columns, matrices, first = 0 }: Sizes): ViewState {
  const parts = new URLSearchParams(hash.slice(1));
  const view = parts.get('view') ?? '';
  const chosen = /^\d{1,9}$/.test(view) && Number(view) < matrices ? Number(view) : first;
  const [down, across] = pairsIn(parts.get('zoom'));
  const region =
    down !== undefined && across !== undefined && isSpan(down, rows) && isSpan(across, columns)
      ? { rows: down, columns: across }
      : null;
  const pins = pairsIn(parts.get('pins')).filter(([row, column]) => row < rows && column < columns);
  return { chosen, region, pins: pins.slice(0, MOST_READ) };
}

/** Pins that an address can have. */
const MOST_READ = 12;

const joined = ([one, other]: Pair | Span) => `${one}-${other}`;

function pairsIn(text: string | null): Pair[] {
  return (text ?? '').split(',').flatMap((part): Pair[] => {
    const found = /^(\d{1,9})-(\d{1,9})$/.exec(part);
    return found === null ? [] : [[Number(found[1]), Number(found[2])]];
  });
}

const isSpan = ([from, to]: Span, count: number) => from + 2 <= to && to <= count;
