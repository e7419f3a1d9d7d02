import { amountText } from '../../words/numbers.js';
import { changePosition } from '../change_axis.js';
import type { EmbeddedCurve } from '../page_data.js';
import { type Place, type Plot, type Pointable, type Pointed, type Shape, within } from './pointed.js';
import { similarityLine } from './values.js';
import type { Pair, Views } from './views.js';

/** A series at one step. */
interface Point {
  readonly name: string;
  readonly similarity: number;
  readonly y: number;
}

/** Points at the steps of a curve, of those in sight, and at the nearest of its series. */
export function curveSteps(
  labels: readonly string[],
  curve: EmbeddedCurve,
  views: Views,
  { left, top, width, height }: Plot,
): Pointable {
  const span = () => views.region.columns;
  /** Where a model lies, or the step behind it at one half more. */
  const xOf = (model: number) => left + ((model + 0.5 - span()[0]) * width) / (span()[1] - span()[0]);

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

  function at(place: Place): Pointed {
    const [from, to] = span();
    const size = width / (to - from);
    const step = from + within((place.x - left) / size - 0.5, to - from - 1);
    const points = pointsAt(step);
    const found = nearest(points, place);
    const x = xOf(step + 0.5);
    const y = found?.y ?? place.y;
    const line = upright(x, 0.45);
    return {
      x,
      y,
      pair: [step, step + 1],
      words: wordsAt(step, found),
      shapes: found === undefined ? [line] : [line, { name: 'circle', attributes: { cx: x, cy: y, r: 4.5 } }],
      // Up and down lead to the next series at this step, not to another height.
      next: (dx, dy) => {
        const beside = found === undefined || dy === 0 ? undefined : points[points.indexOf(found) + dy];
        const next = within(step + dx, labels.length - 1);
        if (dx !== 0) views.bringIntoSight([next, next]);
        if (dx !== 0) views.bringIntoSight([next + 1, next + 1]);
        return { x: xOf(next + 0.5), y: beside?.y ?? y };
      },
    };
  }

  const upright = (x: number, opacity: number): Shape => ({
    name: 'path',
    attributes: { d: `M${x} ${top}V${top + height}`, opacity },
  });

  /** A step as a line; of any other two models one each. */
  function mark([row, column]: Pair): Shape[] {
    const places = Math.abs(row - column) === 1 ? [(row + column) / 2] : [row, column];
    const [from, to] = span();
    return places.filter((model) => model >= from && model <= to - 1).map((model) => upright(xOf(model), 0.45));
  }

  function enlarge(start: Place, end: Place): void {
    const [from, to] = span();
    const modelAt = ({ x }: Place) => from + within(((x - left) / width) * (to - from), to - from);
    const [one, other] = [modelAt(start), modelAt(end)];
    const part = [Math.min(one, other), Math.max(one, other) + 1] as const;
    views.enlarge({ rows: part, columns: part });
  }

  return { at, mark, enlarge };
}

function nearest(points: readonly Point[], { y }: Place): Point | undefined {
  let best = points[0];
  for (const point of points) if (Math.abs(point.y - y) < Math.abs(best.y - y)) best = point;
  return best;
}
