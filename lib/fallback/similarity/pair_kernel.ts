import type { Pacer } from '../../cooperate.js';
import { rowMajor } from '../../tensor/matrix.js';
import { TILE } from '../gemm/kernel.js';
import { packPanel, panelCount } from '../gemm/pack.js';
import { giveBack, takeWorkspace, type Workspace } from '../gemm/workspace.js';

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
/** Units of `a` that meet a part of `b` while it lies in the workspace: copying it takes a tenth of that time. */
const GROUP = 64;
/** Numbers of such a part: 256 KiB, which the second-level cache holds beside the units of `a`. */
const PART = 1 << 15;

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
 * of D'; the result meets D in a dot product. No h × h matrix is stored: 64 units of `a` and a part of `b` at a time lie
 * in a workspace. The depth is not blocked: measured up to 16 000, panels read from the second- or third-level cache slow
 * this kernel by a few percent at most.
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
  const pair = new Pair(a, b);
  try {
    for (let unit = 0; unit < a.units; unit += GROUP) {
      await pair.fillStrips(unit, pacer);
      await pair.reduceStrips(unit, result, pacer);
    }
  } finally {
    pair.dispose();
  }
}

/** Two models in a workspace. */
class Pair {
  readonly #a: QuadraticPart;
  readonly #b: QuadraticPart;
  readonly #workspace: Workspace;
  /** Panels of b that lie there at a time, and of D'. */
  readonly #together: number;
  readonly #downsTogether: number;
  /** Where they lie, and what comes after: tiles, the strips of a group. Panels of a lie at 0. */
  readonly #part: number;
  readonly #tiles: number;
  readonly #strips: number;

  constructor(a: QuadraticPart, b: QuadraticPart) {
    this.#a = a;
    this.#b = b;
    const [size, downSize] = [TILE * a.depth, TILE * b.units];
    const fitting = (panels: number, length: number) => Math.min(panels, Math.max(1, Math.floor(PART / (length + 1))));
    this.#together = fitting(b.units / UNITS, size);
    this.#downsTogether = fitting(panelCount(a.outputs), downSize);
    this.#part = (Math.min(GROUP, a.units) / UNITS) * size;
    this.#tiles = this.#part + Math.max(this.#together * size, this.#downsTogether * downSize);
    this.#strips = this.#tiles + Math.max(this.#together, this.#downsTogether) * TILE * TILE;
    this.#workspace = takeWorkspace(this.#strips + panelCount(Math.min(GROUP, a.units)) * downSize);
  }

  /** K of the units of a group, four to a strip. The last strip may hold but two. */
  async fillStrips(unit: number, pacer: Pacer): Promise<void> {
    const [a, b, { data }] = [this.#a, this.#b, this.#workspace];
    const size = TILE * a.depth;
    const [first, end] = [unit / UNITS, Math.min(unit + GROUP, a.units) / UNITS];
    data.set(a.factors.subarray(first * size, end * size));
    for (let other = 0; other < b.units / UNITS; other += this.#together) {
      const panels = Math.min(this.#together, b.units / UNITS - other);
      data.set(b.factors.subarray(other * size, (other + panels) * size), this.#part);
      for (let panel = first; panel < end; panel++) {
        this.#fillRows(panel - first, other, panels);
        if (pacer.due(TILE * TILE * a.depth * panels)) await pacer.pause();
      }
    }
  }

  /** Two rows of a strip: K of the two units of one panel of `a` with those of some panels of `b`. */
  #fillRows(panel: number, other: number, panels: number): void {
    const { data } = this.#workspace;
    const depth = this.#a.depth;
    data.fill(0, this.#tiles, this.#tiles + panels * TILE * TILE);
    this.#workspace.products(depth, panel * TILE * depth, this.#part, panels, this.#tiles, TILE, TILE * TILE);
    const half = (panel * UNITS) % TILE;
    const strip = this.#strips + (panel * UNITS - half) * this.#b.units;
    let to = strip + other * UNITS * TILE + half;
    for (let t = this.#tiles; t < this.#tiles + panels * TILE * TILE; t += TILE * TILE, to += UNITS * TILE) {
      data[to] = data[t] * data[t + 5] + data[t + 1] * data[t + 4];
      data[to + 1] = data[t + 8] * data[t + 13] + data[t + 9] * data[t + 12];
      data[to + TILE] = data[t + 2] * data[t + 7] + data[t + 3] * data[t + 6];
      data[to + TILE + 1] = data[t + 10] * data[t + 15] + data[t + 11] * data[t + 14];
    }
  }

  /** Adds Σ_h D_ch (K D'ᵀ)_hc over the units of the group to every output. */
  async reduceStrips(unit: number, result: Float64Array, pacer: Pacer): Promise<void> {
    const [a, b, { data }] = [this.#a, this.#b, this.#workspace];
    const size = TILE * b.units;
    const count = panelCount(a.outputs);
    for (let other = 0; other < count; other += this.#downsTogether) {
      const panels = Math.min(this.#downsTogether, count - other);
      data.set(b.down.subarray(other * size, (other + panels) * size), this.#part);
      for (let first = unit; first < Math.min(unit + GROUP, a.units); first += TILE) {
        const strip = this.#strips + (first - unit) * b.units;
        data.fill(0, this.#tiles, this.#tiles + panels * TILE * TILE);
        this.#workspace.products(b.units, strip, this.#part, panels, this.#tiles, TILE, TILE * TILE);
        this.#addTiles(first, other * TILE, result);
        if (pacer.due(TILE * size * panels)) await pacer.pause();
      }
    }
  }

  /** Tiles of K D'ᵀ of four units meet D, for outputs from `output` on. */
  #addTiles(unit: number, output: number, result: Float64Array): void {
    const [a, { data }] = [this.#a, this.#workspace];
    const units = Math.min(TILE, a.units - unit);
    const end = Math.min(a.outputs, output + TILE * this.#downsTogether);
    for (let c = output, tile = this.#tiles; c < end; c++, tile += c % TILE === 0 ? TILE * (TILE - 1) + 1 : 1) {
      const down = (c - (c % TILE)) * a.units + unit * TILE + (c % TILE);
      let sum = 0;
      for (let h = 0; h < units; h++) sum += a.down[down + TILE * h] * data[tile + TILE * h];
      result[c] += sum;
    }
  }

  dispose(): void {
    giveBack(this.#workspace);
  }
}
