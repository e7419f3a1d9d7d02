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
  next(dx: number, dy: number): Place;
}

/** What a chart has nearest to a place. */
export type PointAt = (place: Place) => Pointed;

/** The whole number from 0 to `limit` − 1 that a position falls on. */
export function within(position: number, limit: number): number {
  return Math.min(limit - 1, Math.max(0, Math.floor(position)));
}
