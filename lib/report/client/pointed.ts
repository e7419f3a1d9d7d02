import type { Pair } from './views.js';

/** A place in a chart, in the coordinates of its SVG. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** The plotting area of a chart, in the same coordinates. */
export interface Plot {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** An SVG element to draw over the chart. */
export interface Shape {
  readonly name: 'path' | 'rect' | 'circle';
  readonly attributes: Readonly<Record<string, string | number>>;
}

/**
 * What a chart has at a place: where exactly, what to say of it, what to draw, and where one press of an arrow key
 * leads.
 */
export interface Pointed extends Place {
  readonly words: string;
  readonly shapes: readonly Shape[];
  /** The two models that it is about; null where it is about none. */
  readonly pair: Pair | null;
  next(dx: number, dy: number): Place;
}

/** A chart as the pointer sees it. */
export interface Pointable {
  /** What it has nearest to a place. */
  at(place: Place): Pointed;
  /** What to draw where another chart points at two models. */
  mark(pair: Pair): readonly Shape[];
  /** Enlarges what lies between two places. */
  enlarge?(start: Place, end: Place): void;
}

/** The whole number from 0 to `limit` − 1 that a position falls on. */
export function within(position: number, limit: number): number {
  return Math.min(limit - 1, Math.max(0, Math.floor(position)));
}
