import type { LowRankMatrices, StoredFactors } from '../../backend/low_rank.js';
import type { Pacer } from '../../cooperate.js';
import { decodeFloats, FLOAT_BYTES, floatArray } from '../../tensor/convert.js';
import { TILE } from '../gemm/kernel.js';
import { panelCount } from '../gemm/pack.js';
import { multiplyPanels, type Panels } from '../gemm/tiles.js';
import { packRows } from './pair_kernel.js';

/** Rows of some matrices that are packed at a time. */
const ROWS = 256;

/** The matrices `from` … `to` − 1: their rows of A and of B as panels of four. */
interface Block {
  readonly matrices: LowRankMatrices;
  readonly from: number;
  readonly to: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/**
 * ⟨B diag(w) A, B' diag(w') A'⟩ = Σ_kl w_k w'_l (A_k·A'_l)(B_k·B'_l) of every row with every column: the quadratic part
 * of a pair of bilinear blocks (MATH.md section 3), without its crossed term. Products of four rows of A by four are a
 * micro-tile, those of B another, and nothing larger is stored.
 * @param columns null: the rows, and only cells from the diagonal on
 */
export async function lowRankProducts(
  rows: LowRankMatrices,
  columns: LowRankMatrices | null,
  pacer: Pacer,
  report: (done: number, total: number) => void,
): Promise<Float64Array> {
  const others = columns ?? rows;
  const products = new Float64Array(rows.count * others.count);
  for (const span of spansOf(rows)) {
    const one = await pack(rows, span, pacer);
    for (const otherSpan of spansOf(others)) {
      if (columns === null && otherSpan[0] < span[0]) continue;
      const onDiagonal = columns === null && otherSpan[0] === span[0];
      await multiply(one, onDiagonal ? one : await pack(others, otherSpan, pacer), products, pacer);
    }
    report(span[1], rows.count);
  }
  return products;
}

type Span = readonly [from: number, to: number];

function spansOf({ count, rank }: LowRankMatrices): Span[] {
  const each = Math.max(1, Math.floor(ROWS / rank));
  return Array.from({ length: Math.ceil(count / each) }, (_, i) => [i * each, Math.min(count, (i + 1) * each)]);
}

async function pack(matrices: LowRankMatrices, [from, to]: Span, pacer: Pacer): Promise<Block> {
  const { rank, a, b } = matrices;
  const packed = async (factors: StoredFactors) =>
    packRows(await rowsOf(factors, rank, from, to, pacer), (to - from) * rank, factors.depth, factors.depth, pacer);
  return { matrices, from, to, a: await packed(a), b: await packed(b) };
}

/** Rows of some matrices, decoded, one after the other. */
async function rowsOf(
  { bytes, format, depth, rankLast }: StoredFactors,
  rank: number,
  from: number,
  to: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const size = rank * depth;
  const rows = new Float64Array((to - from) * size);
  const values = floatArray(format, size);
  const [rowStride, stride] = rankLast ? [1, rank] : [depth, 1];
  for (let i = from; i < to; i++) {
    decodeFloats(bytes.subarray(i * size * FLOAT_BYTES[format], (i + 1) * size * FLOAT_BYTES[format]), format, values);
    for (let k = 0, at = (i - from) * size; k < rank; k++, at += depth) {
      for (let d = 0; d < depth; d++) rows[at + d] = values[k * rowStride + d * stride];
      if (pacer.due(depth)) await pacer.pause();
    }
  }
  return rows;
}

/**
 * Every column of a product is summed over the rows of its matrix in their order, and then the columns are: what else is
 * in a block changes no bit.
 */
async function multiply(one: Block, other: Block, products: Float64Array, pacer: Pacer): Promise<void> {
  const { rank } = one.matrices;
  const { rank: otherRank, count } = other.matrices;
  const [rows, columns] = [(one.to - one.from) * rank, (other.to - other.from) * otherRank];
  const sums = new Float64Array((one.to - one.from) * columns);
  const across = panelCount(columns);
  const sides = (name: 'a' | 'b') => {
    const { depth } = one.matrices[name];
    const panels = (data: Float64Array, count: number): Panels => ({ data, at: 0, count, size: TILE * depth });
    return [depth, panels(one[name], panelCount(rows)), panels(other[name], across)] as const;
  };
  const ofA = new Float64Array(panelCount(rows) * across * TILE * TILE);
  await multiplyPanels(...sides('a'), pacer, (tiles, panel, first) =>
    ofA.set(tiles, (panel * across + first) * TILE * TILE),
  );
  await multiplyPanels(...sides('b'), pacer, (ofB, panel, first) => {
    const meeting = ofA.subarray((panel * across + first) * TILE * TILE);
    addTiles(one, panel * TILE, first * TILE, columns, meeting, ofB, sums);
  });
  for (let i = one.from; i < one.to; i++)
    for (let j = one === other ? i : other.from; j < other.to; j++) {
      let sum = 0;
      const at = (i - one.from) * columns + (j - other.from) * otherRank;
      for (let l = 0; l < otherRank; l++) sum += other.matrices.weights[j * otherRank + l] * sums[at + l];
      products[i * count + j] = sum;
    }
}

/**
 * Adds w_k (A_k·A'_l)(B_k·B'_l) of four rows with the columns of some tiles to the sums of the matrices that the rows
 * belong to.
 */
function addTiles(
  one: Block,
  row: number,
  column: number,
  columns: number,
  ofA: Float64Array,
  ofB: Float64Array,
  sums: Float64Array,
): void {
  const { rank, weights } = one.matrices;
  const endRow = Math.min((one.to - one.from) * rank, row + TILE);
  const endColumn = Math.min(columns, column + ofB.length / TILE);
  for (let i = row; i < endRow; i++) {
    const weight = weights[one.from * rank + i];
    const at = Math.floor(i / rank) * columns;
    for (let j = column; j < endColumn; j++) {
      const [tile, lane] = [j - column - ((j - column) % TILE), (j - column) % TILE];
      const place = TILE * tile + TILE * (i - row) + lane;
      sums[at + j] += weight * ofA[place] * ofB[place];
    }
  }
}
