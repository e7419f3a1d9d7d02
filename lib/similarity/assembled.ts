import type { Order } from '../model/reading/order.js';
import { precisionOf } from '../tensor/tensor.js';
import { direction } from './difference/direction.js';
import { expanded } from './difference/expanded.js';
import type { Cells } from './gram/cells.js';
import type { resultOf } from './matrix_result.js';
import type { Member } from './members/members.js';
import { sourceOf } from './members/source.js';
import { leavesOf } from './series/leaves.js';
import { checkPlace } from './terms/place.js';
import { plainly } from './terms/plain.js';
import type { BehaviourMatrix, CrossSimilarity, ResultInfo, SimilarityMatrix, Step, Work } from './terms/types.js';

/** What follows from the cells, and what there was to do. */
type Computed = Awaited<ReturnType<typeof resultOf>> & { readonly work: Work };
/** A model as results tell of it. */
type Named = { readonly outline: Pick<Member['outline'], 'label' | 'provenance'> };

/** The result of models compared with each other, with what can be asked of it. */
export async function squareOf(
  given: readonly Named[],
  info: ResultInfo,
  cells: Cells,
  {
    order,
    window,
    behaviour,
    computed,
    signal,
  }: {
    readonly order: Order | undefined;
    readonly window: number | null;
    readonly behaviour?: BehaviourMatrix | undefined;
    readonly computed: Computed;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<SimilarityMatrix> {
  const { gram } = cells;
  const precision = precisionOf(info.dtype, info);
  const labels = given.map(({ outline }) => outline.label);
  const result = {
    kind: 'matrix' as const,
    ...info,
    labels,
    ...(order && { order }),
    ...(await leavesOf({ order, labels, cosine: computed.cosine }, signal)),
    sources: given.map(({ outline }) => sourceOf(outline)),
    window,
    ...computed,
    ...cells.beyondRange({ log2Norms: 'rows' }),
    ...(behaviour && { behaviour }),
  };
  return plainly(result, {
    direction: (first: Step, second: Step) => direction(gram, first, second, precision),
    difference: (reference: number, model: number) => {
      checkPlace(reference, gram.length);
      checkPlace(model, gram.length);
      return expanded(cells.entry(reference, model), precision);
    },
  });
}

/** The same of rows compared with columns. */
export function crossOf(
  rows: readonly Named[],
  columns: readonly Named[],
  info: ResultInfo,
  cells: Cells,
  computed: Computed,
): CrossSimilarity {
  const [rowNorms, columnNorms] = [cells.norms('rows'), cells.norms('columns')];
  const result = {
    kind: 'cross' as const,
    ...info,
    rows: rows.map(({ outline }) => outline.label),
    columns: columns.map(({ outline }) => outline.label),
    rowSources: rows.map(({ outline }) => sourceOf(outline)),
    columnSources: columns.map(({ outline }) => sourceOf(outline)),
    rowNorms,
    columnNorms,
    ...computed,
    ...cells.beyondRange({ log2RowNorms: 'rows', log2ColumnNorms: 'columns' }),
  };
  return plainly(result, {
    difference: (row: number, column: number) => {
      checkPlace(row, rowNorms.length);
      checkPlace(column, columnNorms.length);
      const { aa, ab, bb, u, v } = cells.entry(row, column);
      return expanded({ aa: bb, ab, bb: aa, u: v, v: u }, precisionOf(info.dtype, info));
    },
  });
}
