import type { Mark } from 'vega';
import { clusterTree, type Group, groupsOf, type Merge } from '../similarity/series/clustering.js';
import { leafOrder, MOST_OPTIMAL } from '../similarity/series/leaf_order.js';
import { isClustered } from '../similarity/series/leaves.js';
import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import type { Matrix, SimilarityMatrix } from '../similarity/terms/types.js';
import { count, plural } from '../words/counts.js';
import { similarityText } from '../words/numbers.js';
import { type Chart, lineMark, PAGE, type Rect, type Theme, textMark } from './chart.js';
import { bothWidths } from './figure.js';
import { shortenLabels } from './labels.js';
import { orderSentence, reasonOfSet } from './order.js';
import { isUseless } from './reliability.js';
import type { Summary } from './summary.js';
import { tableBehind } from './table_behind.js';

const HEIGHT = 90;
const TOP = 6;
/** Models of a group that are named. */
const MOST_NAMED = 12;

/** Models in no order of their own, put where those that are alike stand next to each other. */
export interface ClusteredSet {
  /** The models by their numbers in the result. */
  readonly order: readonly number[];
  /** The result with its models in that order. */
  readonly matrix: SimilarityMatrix;
  /** Of models by their places in it. */
  readonly merges: readonly Merge[];
  readonly groups: readonly Group[];
  /** By which measure they are alike, where there are several. */
  readonly measure?: string;
}

/** The models of a set in the order of their tree; null for a series, and where not every pair was compared. */
export async function clusteredSet(matrix: SimilarityMatrix): Promise<ClusteredSet | null> {
  const { cosine } = matrix;
  if (!isClustered(matrix)) return null;
  const merges = await clusterTree(cosine);
  const order = matrix.leaves ?? (await leafOrder(cosine, merges));
  const places = new Map(order.map((model, place) => [model, place]));
  const placed = (cluster: number) => places.get(cluster) ?? cluster;
  return {
    order,
    matrix: inOrder(matrix, order),
    merges: merges.map(({ left, right, height }) => ({ left: placed(left), right: placed(right), height })),
    groups: groupsOf(merges, order),
  };
}

/** The same of several measures: all are in the order of the first. Two blocks are in the order that was given. */
export async function setOf({ matrices, block }: MeasureComparison): Promise<ClusteredSet | null> {
  const [first] = matrices;
  const set = block === null ? await clusteredSet(first) : null;
  return set && { ...set, measure: first.measure };
}

/** What is shown of a result, with its models in another order. */
export function inOrder(matrix: SimilarityMatrix, order: readonly number[]): SimilarityMatrix {
  const { labels, sources, cosine, perOutput, behaviour } = matrix;
  const moved = (cells: Matrix): Matrix => order.map((i) => Float64Array.from(order, (j) => cells[i][j]));
  return {
    ...matrix,
    labels: order.map((i) => labels[i]),
    cosine: moved(cosine),
    ...(sources && { sources: order.map((i) => sources[i]) }),
    ...(perOutput && { perOutput: { ...perOutput, cosine: perOutput.cosine.map(moved) } }),
    ...(behaviour && { behaviour: { ...behaviour, agreement: moved(behaviour.agreement), cka: moved(behaviour.cka) } }),
  };
}

/** Why the models stand as they do. */
export function placedSentence({ order, matrix, measure }: ClusteredSet): string {
  const best = order.length <= MOST_OPTIMAL ? 'in the best order' : 'in an order';
  const by = measure === undefined ? '' : ` by ${measure}`;
  return `${reasonOfSet(matrix)}: those that are alike${by} stand next to each other, ${best} that their tree allows (average linkage by angle).`;
}

/** What is said of a set, beside what is said of any matrix. */
export function setSummary(set: ClusteredSet, summary: Summary): Summary {
  const { matrix, groups } = set;
  const models = matrix.labels.length;
  const found =
    groups.length === 0
      ? []
      : [
          `${groups.length} groups, of ${groups.map(({ first, last }) => last - first + 1).join(', ')} models in the order of the heatmap.`,
        ];
  if (isUseless(matrix)) return summary;
  const rest = summary.sentences.filter((sentence) => !orderSentence(matrix).includes(sentence));
  const all = `${count(models)} ${plural(models, 'model')}`;
  const headline = groups.length === 0 ? `${all}, no clear groups` : `${groups.length} groups among ${all}`;
  return { ...summary, headline, sentences: [...found, placedSentence(set), ...rest] };
}

/** The tree over the columns of a heatmap with this plotting area at each width. */
export function treeFigure(set: ClusteredSet, plotAt: (width: number) => Rect): Promise<string> {
  return bothWidths({ kind: 'tree', name: 'Tree of the models, by the mean angle between clusters' }, (width) =>
    treeChart(set, plotAt(width), width, PAGE),
  );
}

/** The tree over the columns of a heatmap with this plotting area. */
export function treeChart(
  { matrix, merges }: ClusteredSet,
  { x: left, width: across }: Rect,
  width: number,
  theme: Theme,
): Chart {
  const models = matrix.labels.length;
  const plot: Rect = { x: left, y: TOP, width: across, height: HEIGHT };
  const top = merges[merges.length - 1].height || 1;
  const [bottom, yOf] = [TOP + HEIGHT, (height: number) => TOP + HEIGHT * (1 - height / top)];
  const nodes = Array.from({ length: models }, (_, i) => ({ x: left + ((i + 0.5) * across) / models, y: bottom }));
  const lines = merges.map((merge) => {
    const [one, other] = [nodes[merge.left], nodes[merge.right]];
    const y = yOf(merge.height);
    nodes.push({ x: (one.x + other.x) / 2, y });
    const [ax, ay, bx, by, at] = [one.x, one.y, other.x, other.y, y].map((number) => Number(number.toFixed(2)));
    return `M${ax} ${ay}V${at}H${bx}V${by}`;
  });
  const tree: Mark = {
    type: 'path',
    name: 'series tree',
    encode: { update: { path: { value: lines.join('') }, stroke: { value: theme.muted }, strokeWidth: { value: 1 } } },
  };
  const degrees = (height: number) => `${Math.round((180 * height) / Math.PI)}°`;
  const ticks = [0, top / 2, top];
  const items = ticks.map((height) => ({ x: left - 6, y: yOf(height), text: degrees(height) }));
  return {
    width,
    height: bottom + 8,
    plot,
    marks: [
      ...ticks.map((height) => lineMark(left, yOf(height), left + across, yOf(height), theme.line)),
      tree,
      textMark(items, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
      textMark([{ x: 1, y: TOP + HEIGHT / 2, text: 'mean angle' }], theme.muted, {
        align: { value: 'center' },
        baseline: { value: 'top' },
        angle: { value: -90 },
      }),
    ],
  };
}

/** Which models are in which group, and how alike they are. */
export function groupsSection(set: ClusteredSet): string {
  if (set.groups.length === 0) return '';
  const [head, ...rows] = groupsTable(set);
  const table = tableBehind('As they are framed in the heatmap', head, rows, true);
  return `<section><h2>Groups</h2>${table}</section>`;
}

/** The same as rows of cells below a head. */
export function groupsTable({ matrix, groups }: ClusteredSet): string[][] {
  const { short } = shortenLabels(matrix.labels);
  const rows = groups.map(({ first, last }, i) => {
    const names = short.slice(first, last + 1);
    const named = names.slice(0, MOST_NAMED).join(', ');
    const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
    return [`${i + 1}`, `${names.length}`, lowestWithin(matrix.cosine, first, last), `${named}${more}`];
  });
  return [['group', 'models', 'lowest similarity within', 'which'], ...rows];
}

function lowestWithin(cosine: Matrix, first: number, last: number): string {
  let least = 1;
  for (let i = first; i <= last; i++) for (let j = first; j <= last; j++) least = Math.min(least, cosine[i][j]);
  return similarityText(least);
}
