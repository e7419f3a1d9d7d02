import type { Mark } from 'vega';
import { type Chart, drawSvg, PAPER, type Rect, textMark } from '../../lib/report/chart.js';
import { planRoute } from '../../lib/similarity/plan/gram_route.js';
import type { DType } from '../../lib/tensor/tensor.js';
import { chainOf, type Shape } from './grid.js';
import { type Field, machineOf, measure } from './measure.js';

/** How the two routes compare at one number of models and one of inputs. */
export interface Crossing {
  readonly count: number;
  readonly d: number;
  /** Time of the factor route over that of the dense route. */
  readonly ratio: number;
  /** Whether the planner takes the dense route. */
  readonly plannedDense: boolean;
}

const COUNTS = [2, 5, 10, 20, 41, 100, 200, 400];
const INPUTS = [16, 32, 64, 128, 256, 512, 1024];
const BLOCK = { h: 64, o: 10 };

/** Measures both routes of the first backend of the field. */
export async function measureCrossings(dtype: DType, field: Field, say: (text: string) => void): Promise<Crossing[]> {
  const [backend] = field.backends;
  const machine = await machineOf(backend!, dtype, field.threads);
  const crossings: Crossing[] = [];
  for (const d of INPUTS) {
    const shape: Shape = { d, ...BLOCK };
    for (const count of COUNTS) {
      say(`${count} models of ${d} inputs`);
      const { times } = await measure(shape, count, dtype, { ...field, backends: [backend!], peer: undefined });
      const seconds = (route: string) => times.find(({ contestant }) => contestant.endsWith(route))?.seconds;
      const [factor, dense] = [seconds('factor'), seconds('dense')];
      if (factor === undefined || dense === undefined) continue;
      const { route } = planRoute({ chains: Array(count).fill(chainOf(shape)), dtype }, machine);
      crossings.push({ count, d, ratio: factor / dense, plannedDense: route === 'dense' });
    }
  }
  return crossings;
}

const CELL = { width: 74, height: 34 };
const PLOT: Rect = {
  x: 60,
  y: 70,
  width: INPUTS.length * CELL.width,
  height: COUNTS.length * CELL.height,
};
const WIDTH = PLOT.x + PLOT.width + 20;
const HEIGHT = PLOT.y + PLOT.height + 70;

/** A map of which route is quicker, and by how much, as an SVG text. */
export function crossoverSvg(crossings: readonly Crossing[], title: string): Promise<string> {
  const place = ({ count, d }: Crossing) => ({
    x: PLOT.x + INPUTS.indexOf(d) * CELL.width,
    y: PLOT.y + (COUNTS.length - 1 - COUNTS.indexOf(count)) * CELL.height,
  });
  const centre = (crossing: Crossing) => {
    const { x, y } = place(crossing);
    return { x: x + CELL.width / 2, y: y + CELL.height / 2 };
  };
  const cells = crossings.map((crossing) => ({
    ...place(crossing),
    colour: crossing.ratio > 1 ? PAPER.accent : PAPER.highlight,
    // Full colour where one route is ten times as quick.
    opacity: 0.08 + 0.72 * Math.min(1, Math.abs(Math.log10(crossing.ratio))),
  }));
  const ratios = crossings.map((crossing) => {
    const { ratio } = crossing;
    return { ...centre(crossing), text: `${factorText(Math.max(ratio, 1 / ratio))}×` };
  });
  const planned = crossings.filter(({ plannedDense }) => plannedDense).map((crossing) => place(crossing));
  const middle = { baseline: { value: 'middle' } } as const;
  const centred = { align: { value: 'center' }, ...middle } as const;
  const marks: Mark[] = [
    textMark([{ x: PLOT.x, y: 16, text: title }], PAPER.ink, middle),
    textMark(
      [
        { x: PLOT.x, y: 36, text: 'blue: the dense route is so many times as quick; red: the factor route' },
        { x: PLOT.x, y: 52, text: '●: the planner takes the dense route' },
      ],
      PAPER.muted,
      middle,
    ),
    rectangles(cells),
    textMark(ratios, PAPER.ink, centred),
    dots(planned.map(({ x, y }) => ({ x: x + 9, y: y + 9 }))),
    textMark(
      INPUTS.map((d, i) => ({ x: PLOT.x + (i + 0.5) * CELL.width, y: PLOT.y + PLOT.height + 16, text: String(d) })),
      PAPER.muted,
      centred,
    ),
    textMark(
      COUNTS.map((count, i) => ({
        x: PLOT.x - 8,
        y: PLOT.y + (COUNTS.length - 0.5 - i) * CELL.height,
        text: String(count),
      })),
      PAPER.muted,
      { align: { value: 'right' }, ...middle },
    ),
    textMark(
      [
        {
          x: PLOT.x + PLOT.width / 2,
          y: PLOT.y + PLOT.height + 42,
          text: `inputs d (h = ${BLOCK.h}, o = ${BLOCK.o}); upwards: models N`,
        },
      ],
      PAPER.muted,
      centred,
    ),
  ];
  const chart: Chart = { width: WIDTH, height: HEIGHT, plot: PLOT, marks };
  return drawSvg([{ chart, x: 0, y: 0 }], WIDTH, HEIGHT, '#ffffff');
}

function factorText(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

function rectangles(values: readonly { x: number; y: number; colour: string; opacity: number }[]): Mark {
  const place = {
    x: { field: 'x' },
    y: { field: 'y' },
    width: { value: CELL.width - 2 },
    height: { value: CELL.height - 2 },
  };
  return {
    type: 'group',
    data: [{ name: 'cells', values: [...values] }],
    marks: [
      {
        type: 'rect',
        from: { data: 'cells' },
        encode: { update: { ...place, fill: { field: 'colour' }, fillOpacity: { field: 'opacity' } } },
      },
    ],
  };
}

function dots(values: readonly { x: number; y: number }[]): Mark {
  return {
    type: 'group',
    data: [{ name: 'dots', values: [...values] }],
    marks: [
      {
        type: 'symbol',
        from: { data: 'dots' },
        encode: { update: { x: { field: 'x' }, y: { field: 'y' }, size: { value: 28 }, fill: { value: PAPER.ink } } },
      },
    ],
  };
}
