import { amountText } from '../../words/numbers.js';
import { changePosition } from '../change_axis.js';
import type { EmbeddedCurve } from '../page_data.js';
import { type Place, type Plot, type PointAt, type Pointed, type Shape, within } from './pointed.js';
import { similarityLine } from './values.js';

/** A series at one step. */
interface Point {
  readonly name: string;
  readonly similarity: number;
  readonly y: number;
}

/** Points at the steps of a curve, and at the nearest of its series. */
export function curveSteps(
  labels: readonly string[],
  curve: EmbeddedCurve,
  { left, top, width, height }: Plot,
): PointAt {
  const size = width / labels.length;

  /** The series that are defined at a step, from the highest on the chart to the lowest. */
  function pointsAt(step: number): Point[] {
    return curve.series
      .flatMap(({ name, similarities }): Point[] => {
        const similarity = similarities[step];
        if (similarity === null) return [];
        return [{ name, similarity, y: top + height * (1 - changePosition(similarity, curve)) }];
      })
      .sort((a, b) => a.y - b.y);
  }

  function wordsAt(step: number, point: Point | undefined): string {
    const steps = `${labels[step]} → ${labels[step + 1]}`;
    if (point === undefined) return `${steps}\n${similarityLine(null)}`;
    const { name, similarity } = point;
    const series = curve.series.length > 1 ? `${name}: ` : '';
    return `${steps}\n${series}${similarityLine(similarity)}\nchange ${amountText(1 - similarity, 3)}`;
  }

  return (place): Pointed => {
    const step = within((place.x - left) / size - 0.5, labels.length - 1);
    const points = pointsAt(step);
    const found = nearest(points, place);
    const x = left + (step + 1) * size;
    const y = found?.y ?? place.y;
    const line: Shape = { name: 'path', attributes: { d: `M${x} ${top}V${top + height}`, opacity: 0.45 } };
    return {
      x,
      y,
      words: wordsAt(step, found),
      shapes: found === undefined ? [line] : [line, { name: 'circle', attributes: { cx: x, cy: y, r: 4.5 } }],
      // Up and down lead to the next series at this step, not to another height.
      next: (dx, dy) => {
        const beside = found === undefined || dy === 0 ? undefined : points[points.indexOf(found) + dy];
        return { x: x + dx * size, y: beside?.y ?? y };
      },
    };
  };
}

function nearest(points: readonly Point[], { y }: Place): Point | undefined {
  let best = points[0];
  for (const point of points) if (Math.abs(point.y - y) < Math.abs(best.y - y)) best = point;
  return best;
}
