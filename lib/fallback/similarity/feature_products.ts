import type { Pacer } from '../../cooperate.js';
import type { TensorData } from '../../tensor/tensor.js';
import { TILE } from '../gemm/kernel.js';
import { panelCount } from '../gemm/pack.js';
import { giveBack, takeWorkspace } from '../gemm/workspace.js';

/**
 * A plain vector per model, cut into outputs: output c is [offsets[c], offsets[c + 1]). A model without one counts as
 * zero.
 */
export interface Features {
  readonly rows: readonly (TensorData | null)[];
  readonly columns: readonly (TensorData | null)[];
  readonly offsets: readonly number[];
  /** Rows and columns are the same models: products for i ≤ j only. */
  readonly symmetric: boolean;
}

/**
 * Elements of a vector multiplied at a time: parts of a fixed length, so that no result depends on what else is in the
 * tile.
 */
const DEPTH = 512;
/**
 * A pair of models by itself is read once, which dot products do without packing. They round otherwise, so that no part
 * of a larger matrix may be computed by them: there, rows and columns are the same models in symmetric tiles only.
 */
const PAIR = 2;

/**
 * Adds the product of row i and column j over output c to `slices[(i·columns + j)·outputs + c]`: a symmetric rank-k
 * product over the models where rows and columns are the same.
 * @param onOutput called after every output.
 */
export async function addFeatureProducts(
  features: Features,
  slices: Float64Array,
  pacer: Pacer,
  onOutput: () => void,
): Promise<void> {
  const { rows, columns, offsets, symmetric } = features;
  const outputs = offsets.length - 1;
  const alone =
    !symmetric && rows.length <= PAIR && rows.length === columns.length && rows.every((row, i) => row === columns[i]);
  const sums = new Float64Array(rows.length * columns.length);
  for (let c = 0; c < outputs; c++) {
    sums.fill(0);
    await (alone ? addDots : addPacked)(features, offsets[c], offsets[c + 1], sums, pacer);
    for (let cell = 0; cell < sums.length; cell++) slices[cell * outputs + c] += sums[cell];
    onOutput();
    if (pacer.due(sums.length)) await pacer.pause();
  }
}

async function addPacked(
  { rows, columns, symmetric }: Features,
  start: number,
  end: number,
  sums: Float64Array,
  pacer: Pacer,
): Promise<void> {
  const across = panelCount(columns.length);
  const right = symmetric ? 0 : panelCount(rows.length) * TILE * DEPTH;
  const tiles = right + across * TILE * DEPTH;
  const workspace = takeWorkspace(tiles + across * TILE * TILE);
  const { data } = workspace;
  try {
    for (let at = start; at < end; at += DEPTH) {
      const depth = Math.min(DEPTH, end - at);
      await packVectors(rows, at, depth, data, pacer);
      if (!symmetric) await packVectors(columns, at, depth, data.subarray(right), pacer);
      for (let i = 0; i < rows.length; i += TILE) {
        const first = symmetric ? i : 0;
        const panels = across - first / TILE;
        data.fill(0, tiles, tiles + panels * TILE * TILE);
        workspace.products(depth, i * depth, right + first * depth, panels, tiles, TILE, TILE * TILE);
        for (let n = 0; n < panels; n++) {
          const tile = tiles + n * TILE * TILE;
          addTile(data.subarray(tile, tile + TILE * TILE), sums, columns.length, i, rows.length, first + n * TILE);
        }
        if (pacer.due(TILE * TILE * depth * panels)) await pacer.pause();
      }
    }
  } finally {
    giveBack(workspace);
  }
}

/**
 * Panels of four models: `panels[i·depth + 4p + lane]` is element `at + p` of model i + lane, zero where there is none.
 */
async function packVectors(
  vectors: readonly (TensorData | null)[],
  at: number,
  depth: number,
  panels: Float64Array,
  pacer: Pacer,
): Promise<void> {
  for (let i = 0; i < panelCount(vectors.length) * TILE; i++) {
    const vector = vectors[i] ?? null;
    const panel = (i - (i % TILE)) * depth + (i % TILE);
    for (let p = 0, to = panel; p < depth; p++, to += TILE) panels[to] = vector === null ? 0 : vector[at + p];
    if (pacer.due(depth)) await pacer.pause();
  }
}

function addTile(tile: Float64Array, sums: Float64Array, width: number, i: number, rows: number, j: number): void {
  const height = Math.min(TILE, rows - i);
  const across = Math.min(TILE, width - j);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < across; column++) {
      sums[(i + row) * width + j + column] += tile[TILE * row + column];
    }
  }
}

async function addDots(
  { rows, columns }: Features,
  start: number,
  end: number,
  sums: Float64Array,
  pacer: Pacer,
): Promise<void> {
  for (const [i, a] of rows.entries()) {
    for (const [j, b] of columns.entries()) {
      if (a !== null && b !== null) sums[i * columns.length + j] += await dot(a, b, start, end, pacer);
    }
  }
}

/** Elements of a dot product between two chances to yield. */
const DOT_CHUNK = 1 << 17;

/** Σ a_i b_i over start ≤ i < end, in double precision. */
async function dot(a: TensorData, b: TensorData, start: number, end: number, pacer: Pacer): Promise<number> {
  let sum = 0;
  for (let at = start; at < end; at += DOT_CHUNK) {
    const stop = Math.min(at + DOT_CHUNK, end);
    sum += dotChunk(a, b, at, stop);
    if (pacer.due(stop - at)) await pacer.pause();
  }
  return sum;
}

/** Four sums side by side: one alone would wait for every addition to finish. */
function dotChunk(a: TensorData, b: TensorData, start: number, end: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = start;
  for (; i + 3 < end; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < end; i++) s0 += a[i] * b[i];
  return s0 + s1 + (s2 + s3);
}
