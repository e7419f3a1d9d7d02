import type { Pacer } from '../../cooperate.js';
import { rowMajor } from '../../tensor/matrix.js';
import { microKernel, TILE } from '../gemm/kernel.js';
import { packPanel, panelCount } from '../gemm/pack.js';

/**
 * The quadratic part of a model, packed for the pair kernel. h hidden units stand in ⌈h/2⌉ panels of two units each:
 *
 *     factors, panel q:    column p:  L_2q,p  R_2q,p  L_2q+1,p  R_2q+1,p          4 · depth numbers
 *     down,    panel c/4:  unit h:    D_c,h  D_c+1,h  D_c+2,h  D_c+3,h            4 · units numbers
 *
 * Units and outputs past the end are zero.
 */
export interface QuadraticPart {
  /** h, rounded up to whole panels. */
  readonly units: number;
  /** Length of the rows of L and R. */
  readonly depth: number;
  readonly outputs: number;
  readonly factors: Float64Array;
  readonly down: Float64Array;
}

/** Hidden units of one panel. */
const UNITS = TILE / 2;
/** Multiply-adds between two chances to yield, about a third of a millisecond. */
const WORK_PER_TURN = 1 << 20;

/** Packs the interleaved rows (2h, k) of L and R and the rows (o, h) of D. */
export async function packQuadratic(
  factors: Float64Array,
  down: Float64Array,
  hidden: number,
  outputs: number,
  pacer: Pacer,
): Promise<QuadraticPart> {
  const depth = hidden === 0 ? 0 : factors.length / (2 * hidden);
  const units = panelCount(2 * hidden) * UNITS;
  return {
    units,
    depth,
    outputs,
    factors: await packRows(factors, 2 * hidden, depth, depth, pacer),
    down: await packRows(down, outputs, hidden, units, pacer),
  };
}

/** Every four rows of a row-major matrix as one panel of the given depth, padded with zeros. */
export async function packRows(
  data: Float64Array,
  rows: number,
  columns: number,
  depth: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const packed = new Float64Array(panelCount(rows) * TILE * depth);
  const view = rowMajor(data, rows, columns);
  for (let panel = 0; panel < panelCount(rows); panel++) {
    packPanel(view, panel * TILE, 0, columns, packed, panel * TILE * depth);
    if (pacer.due(TILE * columns)) await pacer.pause();
  }
  return packed;
}

/**
 * P_c = Σ_hk D_ch D'_ck [(L_h·L'_k)(R_h·R'_k) + (L_h·R'_k)(R_h·L'_k)] for every output c, which is 2⟨B_c, B'_c⟩ of
 * MATH.md section 3. Since L and R are interleaved, one micro-tile holds all four products of 2×2 units:
 *
 *                 L'_k   R'_k   L'_k+1 R'_k+1
 *     L_h        | LL     LR  |                      K_hk = LL·RR + LR·RL
 *     R_h        | RL     RR  |
 *     L_h+1      |
 *     R_h+1
 *
 * K of four units h against all k is kept as one packed panel, which the same micro-kernel multiplies with the panels
 * of D'; the result meets D in a dot product. No h × h matrix is stored. The depth is not blocked: measured up to 16
 * 000, panels read from the second- or third-level cache slow this kernel by a few percent at most.
 *
 * Swapping the two models swaps h with k and LR with RL and changes no term by a bit, but the order of the sums.
 * @param result length `outputs`; overwritten.
 */
export async function pairProducts(
  a: QuadraticPart,
  b: QuadraticPart,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  result.fill(0);
  const strip = new Float64Array(TILE * b.units);
  const panels = b.units / UNITS;
  const perTurn = Math.max(1, Math.floor(WORK_PER_TURN / (TILE * TILE * a.depth + 1)));
  for (let unit = 0; unit < a.units; unit += TILE) {
    for (let half = 0; half < TILE && unit + half < a.units; half += UNITS) {
      for (let panel = 0; panel < panels; panel += perTurn) {
        const end = Math.min(panel + perTurn, panels);
        kernelStrip(a, (unit + half) / UNITS, b, panel, end, strip, half);
        if (pacer.due(TILE * TILE * a.depth * (end - panel))) await pacer.pause();
      }
    }
    for (let output = 0; output < a.outputs; output += TILE) {
      reduceStrip(a, unit, b, output, strip, result);
      if (pacer.due(TILE * TILE * b.units)) await pacer.pause();
    }
  }
}

const tile = new Float64Array(TILE * TILE);

/**
 * Fills rows `half` and `half + 1` of the strip: K of the two units of one panel of `a` with those of panels of `b`.
 */
function kernelStrip(
  a: QuadraticPart,
  panel: number,
  b: QuadraticPart,
  first: number,
  end: number,
  strip: Float64Array,
  half: number,
): void {
  const size = TILE * a.depth;
  for (let other = first; other < end; other++) {
    tile.fill(0);
    microKernel(a.depth, a.factors, panel * size, b.factors, other * size, tile, 0, TILE);
    const at = other * UNITS * TILE + half;
    strip[at] = tile[0] * tile[5] + tile[1] * tile[4];
    strip[at + 1] = tile[8] * tile[13] + tile[9] * tile[12];
    strip[at + TILE] = tile[2] * tile[7] + tile[3] * tile[6];
    strip[at + TILE + 1] = tile[10] * tile[15] + tile[11] * tile[14];
  }
}

/** Adds Σ_h D_ch (K D'ᵀ)_hc over the units of the strip (the last may hold but two), for four outputs c. */
function reduceStrip(
  a: QuadraticPart,
  unit: number,
  b: QuadraticPart,
  output: number,
  strip: Float64Array,
  result: Float64Array,
): void {
  tile.fill(0);
  microKernel(b.units, strip, 0, b.down, output * b.units, tile, 0, TILE);
  const outputs = Math.min(TILE, a.outputs - output);
  const units = Math.min(TILE, a.units - unit);
  const down = output * a.units + unit * TILE;
  for (let c = 0; c < outputs; c++) {
    let sum = 0;
    for (let h = 0; h < units; h++) sum += a.down[down + TILE * h + c] * tile[TILE * h + c];
    result[output + c] += sum;
  }
}
