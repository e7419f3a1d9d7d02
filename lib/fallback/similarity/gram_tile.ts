import { DEGREE_PARTS, type GramJob, type GramTile } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { closureSlices } from '../gaussian/closure.js';
import { type HiddenProducts, hiddenProducts } from '../gaussian/hidden_pair.js';
import { tensorSlices } from '../gaussian/tensor.js';
import { twoBlockSlices } from '../gaussian/two_block_pair.js';
import type { Content, FallbackModel } from './prepared.js';
import { isProduct, type ProductContent, productSlices, type TileValues } from './product_tile.js';

/**
 * The inner products of rows with columns. A symmetric tile computes i ≤ j and mirrors.
 * @param onProgress called with the work done and in all, in pairs and outputs.
 */
export async function gramTile(
  job: GramJob,
  rows: readonly FallbackModel[],
  columns: readonly FallbackModel[],
  pacer: Pacer,
  onProgress: (done: number, total: number) => void,
): Promise<GramTile> {
  const outputs = checkAgreement([...rows, ...columns]);
  const width = columns.length;
  const [left, right] = [rows, columns].map((models) => models.map(({ content }) => content));
  const cells = rows.length * width;
  const values: TileValues = {
    slices: new Float64Array(cells * outputs),
    degrees: hasDegrees(job, rows) ? new Float64Array(cells * DEGREE_PARTS.length) : null,
    bound: rows[0]?.content.kind === 'hidden' ? new Float64Array(cells) : null,
  };
  if (left.every(isProduct) && right.every(isProduct)) {
    await productSlices(job, left, right, values, pacer, onProgress);
  } else {
    await pairwise(job, left as PairContent[], right as PairContent[], outputs, values, pacer, onProgress);
  }
  const { slices, degrees, bound } = values;
  const total = new Float64Array(cells);
  for (let i = 0; i < rows.length; i++) {
    for (let j = job.symmetric ? i : 0; j < width; j++) {
      const cell = i * width + j;
      const pair = slices.subarray(cell * outputs, (cell + 1) * outputs);
      total[cell] = pair.reduce((sum, value) => sum + value, 0);
      if (!job.symmetric) continue;
      const mirrored = j * width + i;
      total[mirrored] = total[cell];
      slices.set(pair, mirrored * outputs);
      if (bound !== null) bound[mirrored] = bound[cell];
      const size = DEGREE_PARTS.length;
      degrees?.copyWithin(mirrored * size, cell * size, (cell + 1) * size);
    }
    if (pacer.due(width * outputs)) await pacer.pause();
  }
  return {
    total,
    ...(job.perOutput && { perOutput: slices }),
    ...(degrees && { perDegree: degrees }),
    ...(bound && { bound }),
  };
}

/** Whether what degrees contribute is asked for and known. */
function hasDegrees({ degrees, measure }: GramJob, [first]: readonly FallbackModel[]): boolean {
  const kind = first?.content.kind;
  return degrees === true && measure === 'gaussian' && (kind === 'one-block' || kind === 'hidden');
}

/** What is compared pair after pair. */
type PairContent = Exclude<Content, ProductContent>;

async function pairwise(
  job: GramJob,
  rows: readonly PairContent[],
  columns: readonly PairContent[],
  outputs: number,
  values: TileValues,
  pacer: Pacer,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const width = columns.length;
  const pairs = job.symmetric ? (width * (width + 1)) / 2 : rows.length * width;
  let done = 0;
  for (let i = 0; i < rows.length; i++) {
    for (let j = job.symmetric ? i : 0; j < width; j++) {
      const cell = i * width + j;
      const [row, column] = [rows[i], columns[j]];
      const result = values.slices.subarray(cell * outputs, (cell + 1) * outputs);
      if (row.kind === 'hidden' && column.kind === 'hidden') {
        const same = row === column;
        putHidden(same ? row.self : await hiddenProducts(row, column, values.degrees !== null, pacer), cell, values);
      } else await pairSlices(row, column, result, pacer);
      onProgress(++done, pairs);
      if (pacer.due(outputs)) await pacer.pause();
    }
  }
}

function putHidden({ slices, degrees, bound }: HiddenProducts, cell: number, values: TileValues): void {
  values.slices.set(slices, cell * slices.length);
  values.degrees?.set(degrees, cell * degrees.length);
  if (values.bound !== null) values.bound[cell] = bound;
}

/** The inner products of one pair, one per slice, into `result`. */
async function pairSlices(row: PairContent, column: PairContent, result: Float64Array, pacer: Pacer): Promise<void> {
  if (row.kind === 'hidden' || column.kind === 'hidden') return;
  if (row === column) result.set(row.self);
  else if (row.kind === 'two-block' && column.kind === 'two-block') await twoBlockSlices(row, column, result, pacer);
  else if (row.kind === 'closure' && column.kind === 'closure') await closureSlices(row, column, result, pacer);
  else if (row.kind === 'tensor' && column.kind === 'tensor') await tensorSlices(row, column, result, pacer);
}

/** The number of slices that all models share. */
function checkAgreement(models: readonly FallbackModel[]): number {
  const [first] = models;
  if (first === undefined) return 0;
  for (const model of models) {
    if (model.dtype !== first.dtype) {
      throw new TensimError('INVALID_ARGUMENT', `models of a tile are prepared as ${first.dtype} and ${model.dtype}`);
    }
    const [kind, expectedKind] = [kindOf(model.content), kindOf(first.content)];
    if (kind !== expectedKind) {
      throw new TensimError('INVALID_ARGUMENT', `models of a tile are prepared as ${expectedKind} and ${kind}`);
    }
    const sizes = shapeOf(model);
    const expected = shapeOf(first);
    if (sizes.length !== expected.length || sizes.some((size, i) => size !== expected[i])) {
      throw new TensimError(
        'SHAPE_MISMATCH',
        `models of a tile have the sizes [${expected.join(', ')}] and [${sizes.join(', ')}]`,
      );
    }
  }
  return first.outputs;
}

/** The method, and the route where there are several. */
function kindOf(content: Content): string {
  return content.kind === 'one-block' ? `${content.kind} (${content.route})` : content.kind;
}

/** What must agree: the positions and the sizes of input and output, or the lengths of all segments. */
function shapeOf({ content, outputs }: FallbackModel): readonly number[] {
  if (content.kind === 'features') return content.offsets;
  return [content.positions, content.inputs, outputs];
}
