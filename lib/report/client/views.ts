import { addressOf, stateFrom } from './address.js';

/** A cell: two models by their places in the rows and the columns. */
export type Pair = readonly [row: number, column: number];

/** From the first to behind the last. */
export type Span = readonly [from: number, to: number];

/** A part of the rows and the columns. */
export interface Region {
  readonly rows: Span;
  readonly columns: Span;
}

/** What a page shows; its address restores it. */
export interface ViewState {
  /** The matrix that heatmaps without one of their own show; the layer of a strip. */
  readonly chosen: number;
  /** What is enlarged; null: nothing, all is to be seen. */
  readonly region: Region | null;
  /** Cells, or inputs of pictures, which have one number. */
  readonly pins: readonly Pair[];
}

/** How many there are of everything. */
export interface Sizes {
  readonly rows: number;
  readonly columns: number;
  readonly matrices: number;
  /** Which is chosen where the address names none. Default 0. */
  readonly first?: number;
}

/** Models that are seen at least. */
const FEWEST = 2;
/** Cells that can be pinned at a time. */
export const MOST_PINS = 12;

/** What all charts of a page have in common: what is shown, and what is pointed at. */
export class Views {
  readonly sizes: Sizes;
  #state: ViewState;
  #pointed: Pair | null = null;
  readonly #changed: (() => void)[] = [];
  readonly #pointedAt: ((pair: Pair | null) => void)[] = [];

  constructor(sizes: Sizes, signal?: AbortSignal) {
    this.sizes = sizes;
    this.#state = stateFrom(location.hash, sizes);
    const follow = () => {
      this.#state = stateFrom(location.hash, sizes);
      this.#tell();
    };
    addEventListener('hashchange', follow, { ...(signal && { signal }) });
  }

  get state(): ViewState {
    return this.#state;
  }

  get pointed(): Pair | null {
    return this.#pointed;
  }

  /** What is to be seen. */
  get region(): Region {
    const { rows, columns } = this.sizes;
    return this.#state.region ?? { rows: [0, rows], columns: [0, columns] };
  }

  onChange(listener: () => void): void {
    this.#changed.push(listener);
  }

  onPoint(listener: (pair: Pair | null) => void): void {
    this.#pointedAt.push(listener);
  }

  change(part: Partial<ViewState>): void {
    this.#state = { ...this.#state, ...part };
    // The address has the part behind # only: a page from a file may change no more.
    history.replaceState(null, '', addressOf(this.#state, this.sizes.first) || location.pathname + location.search);
    this.#tell();
  }

  point(pair: Pair | null): void {
    this.#pointed = pair;
    for (const listener of this.#pointedAt) listener(pair);
  }

  /** Pins a cell, or takes it away; the first gives way where there are too many. */
  pin([row, column]: Pair): void {
    const others = this.#state.pins.filter((pin) => pin[0] !== row || pin[1] !== column);
    const isNew = others.length === this.#state.pins.length;
    this.change({ pins: isNew ? [...others, [row, column] as const].slice(-MOST_PINS) : others });
  }

  /** Enlarges a part, in bounds and of a few models at least. */
  enlarge({ rows, columns }: Region): void {
    const { rows: rowCount, columns: columnCount } = this.sizes;
    const region = { rows: bounded(rows, rowCount), columns: bounded(columns, columnCount) };
    const isWhole =
      region.rows[1] - region.rows[0] === rowCount && region.columns[1] - region.columns[0] === columnCount;
    this.change({ region: isWhole ? null : region });
  }

  /** Shows `factor` times as much, around what is pointed at or else the middle. */
  zoom(factor: number): void {
    const { rows, columns } = this.region;
    const [row, column] = this.#pointed ?? [middle(rows), middle(columns)];
    this.enlarge({ rows: scaled(rows, row, factor), columns: scaled(columns, column, factor) });
  }

  /** Moves what is enlarged, so that a cell comes into sight. */
  bringIntoSight([row, column]: Pair): void {
    const { rows, columns } = this.region;
    const region = { rows: movedTo(rows, row), columns: movedTo(columns, column) };
    if (region.rows[0] !== rows[0] || region.columns[0] !== columns[0]) this.enlarge(region);
  }

  #tell(): void {
    for (const listener of this.#changed) listener();
  }
}

const middle = ([from, to]: Span) => Math.floor((from + to) / 2);

function bounded([from, to]: Span, count: number): Span {
  const size = Math.min(count, Math.max(FEWEST, Math.round(to - from)));
  const start = Math.min(count - size, Math.max(0, Math.round(from)));
  return [start, start + size];
}

function scaled([from, to]: Span, around: number, factor: number): Span {
  const size = Math.max(FEWEST, Math.round((to - from) * factor));
  const start = around + 0.5 - ((around + 0.5 - from) / (to - from)) * size;
  return [start, start + size];
}

function movedTo([from, to]: Span, index: number): Span {
  const by = index < from ? index - from : Math.max(0, index - to + 1);
  return [from + by, to + by];
}
