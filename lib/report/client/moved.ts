import type { Pair, Region, Span, ViewState } from './views.js';

/** The models of a page by their names. */
export interface Named {
  readonly rows: readonly string[];
  readonly columns: readonly string[];
}

/**
 * What a page shows, in a page that has taken its place: cells stay pinned and parts enlarged by the names of their
 * models, wherever these stand now.
 */
export function movedState({ chosen, region, pins }: ViewState, before: Named, after: Named): ViewState {
  const placeOf = (side: keyof Named) => {
    const places = new Map(after[side].map((name, place) => [name, place]));
    return (place: number) => places.get(before[side][place]);
  };
  const [row, column] = [placeOf('rows'), placeOf('columns')];
  const pin = ([r, c]: Pair): Pair[] => {
    const [at, across] = [row(r), column(c)];
    return at === undefined || across === undefined ? [] : [[at, across]];
  };
  return { chosen, region: region && movedRegion(region, row, column), pins: pins.flatMap(pin) };
}

type PlaceOf = (place: number) => number | undefined;

function movedRegion({ rows, columns }: Region, row: PlaceOf, column: PlaceOf): Region | null {
  const [down, across] = [movedSpan(rows, row), movedSpan(columns, column)];
  return down === null || across === null ? null : { rows: down, columns: across };
}

/** From the first to the last of the models that are still there. */
function movedSpan([from, to]: Span, placeOf: PlaceOf): Span | null {
  const places: number[] = [];
  for (let place = from; place < to; place++) {
    const moved = placeOf(place);
    if (moved !== undefined) places.push(moved);
  }
  if (places.length < 2) return null;
  return [places.reduce((a, b) => Math.min(a, b)), places.reduce((a, b) => Math.max(a, b)) + 1];
}
