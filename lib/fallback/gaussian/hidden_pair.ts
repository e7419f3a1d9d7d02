import type { Pacer } from '../../cooperate.js';
import type { TensorData } from '../../tensor/tensor.js';
import { TILE } from '../gemm/kernel.js';
import { panelCount } from '../gemm/pack.js';
import { multiplyPanels } from '../gemm/tiles.js';
import type { PreparedHidden } from './hidden.js';
import { BLOCK, SeriesPlan } from './hidden_bound.js';
import { closedKernel, gatedSeries, hiddenSeries, type Strips } from './hidden_kernel.js';

/** A prepared model, which may not know its product with itself yet. */
export type HiddenModel = Omit<PreparedHidden, 'self'>;

/** The inner products of two models. */
export interface HiddenProducts {
  /** ⟨f_c, g_c⟩, (o). */
  readonly slices: Float64Array;
  /** What degrees 0, 1, 2 and all higher contribute, over all outputs; zero if not asked for. */
  readonly degrees: Float64Array;
  /** What the series may have left out of the sum of all slices. */
  readonly bound: number;
}

/** Panels of a block. */
const PANELS = BLOCK / TILE;
/** The longest part of rows that is multiplied between two chances to yield. */
const DEPTH = 4096;

/**
 * E f_c g_c = F_0c G_0c + F_1c·G_1c + Σ_ij D_ci D'_cj K_ij, K without degrees 0 and 1 (MATH.md sections 10 and 11). For
 * every block of 64 × 64 units:
 *
 *     1. products of rows     ρ = Ŵ Ŵ'ᵀ; of gated units κ = U⊥ Ŵ'ᵀ, κ' = Ŵ U⊥'ᵀ, ν = U⊥ U⊥'ᵀ as well
 *     2. a degree             at which series end, from the largest |ρ| within reach of series, and the bound
 *     3. K                    by Horner; entries beyond the reach go to a list, and are taken in closed form
 *     4. D K D'ᵀ              four units at a time: K D'ᵀ by the micro-kernel, which meets D in a dot product
 *
 * No h × h' matrix is stored.
 *
 * @param b null for `a` itself, whose units have |ρ| = 1 with themselves, exactly.
 */
export async function hiddenProducts(
  a: HiddenModel,
  b: HiddenModel | null,
  degrees: boolean,
  pacer: Pacer,
): Promise<HiddenProducts> {
  const pair = new HiddenPair(a, b, degrees);
  for (let row = 0; row * BLOCK < a.hidden; row++) {
    for (let column = 0; column * BLOCK < (b ?? a).hidden; column++) await pair.addBlock(row, column, pacer);
  }
  return pair.finish(pacer);
}

/** Rows of a block. */
type Rows = 'directions' | 'across' | 'otherDirections' | 'otherAcross';

class HiddenPair {
  readonly #a: HiddenModel;
  readonly #b: HiddenModel;
  readonly #same: boolean;
  readonly #degrees: boolean;
  readonly #plan: SeriesPlan;
  /** ρ, κ, κ' and ν of a block, in tiles of 4 × 4. */
  readonly #rho = new Float64Array(BLOCK * BLOCK);
  readonly #kappa: Float64Array | null;
  readonly #otherKappa: Float64Array | null;
  readonly #nu: Float64Array | null;
  /** Rows in double precision. */
  readonly #rows: Record<Rows, Float64Array | null>;
  /** Of the units of a block with those of another, four of the first to a panel. */
  readonly #strips: Strips = {
    all: new Float64Array(BLOCK * BLOCK),
    quadratic: new Float64Array(BLOCK * BLOCK),
    higher: new Float64Array(BLOCK * BLOCK),
  };
  /** What the strips add to each output: degrees from 2 on, and their parts if asked for. */
  readonly #sums: Strips;

  constructor(a: HiddenModel, b: HiddenModel | null, degrees: boolean) {
    this.#a = a;
    this.#b = b ?? a;
    this.#same = b === null;
    this.#degrees = degrees;
    const tolerance = Math.max(a.tolerance, this.#b.tolerance);
    const limits = a.norms.map((norm, c) => tolerance * norm * this.#b.norms[c]);
    this.#plan = new SeriesPlan(a.tails, this.#b.tails, limits);
    const square = (needed: boolean) => (needed ? new Float64Array(BLOCK * BLOCK) : null);
    this.#kappa = square(a.across !== null);
    this.#otherKappa = square(this.#b.across !== null);
    this.#nu = square(a.across !== null && this.#b.across !== null);
    this.#rows = { directions: null, across: null, otherDirections: null, otherAcross: null };
    const sums = () => new Float64Array(a.outputs);
    this.#sums = { all: sums(), quadratic: sums(), higher: sums() };
  }

  /** Adds the units of block `row` of a with those of block `column` of b. */
  async addBlock(row: number, column: number, pacer: Pacer): Promise<void> {
    const [a, b] = [this.#a, this.#b];
    const [height, width] = [panelsOf(a, row), panelsOf(b, column)];
    await this.#multiply(row, column, height, width, pacer);
    const farthest = farthestWithin(this.#plan.reach, this.#rho, height * PANELS * TILE * TILE);
    const degree = this.#plan.degreeFor(row, column, farthest);
    for (let panel = 0; panel < height; panel++) {
      for (let other = 0; other < width; other++) {
        this.#addTile(row, column, panel, other, degree);
        if (pacer.due(TILE * TILE * 4 * degree)) await pacer.pause();
        if (this.#hasBeyond(panel, other)) await this.#closed(row, column, panel, other, pacer);
      }
    }
    for (const part of this.#degrees ? (['all', 'quadratic', 'higher'] as const) : (['all'] as const)) {
      await this.#reduce(part, row, column, height, width, pacer);
    }
  }

  /** Fills ρ, κ, κ' and ν. */
  async #multiply(row: number, column: number, height: number, width: number, pacer: Pacer): Promise<void> {
    const [a, b] = [this.#a, this.#b];
    const directions = this.#wide('directions', a.directions, row * BLOCK, height);
    const across = this.#wide('across', a.across, row * BLOCK, height);
    const otherDirections = this.#wide('otherDirections', b.directions, column * BLOCK, width);
    const otherAcross = this.#wide('otherAcross', b.across, column * BLOCK, width);
    const products = [
      [directions, otherDirections, this.#rho],
      [across, otherDirections, this.#kappa],
      [directions, otherAcross, this.#otherKappa],
      [across, otherAcross, this.#nu],
    ] as const;
    for (const [left, right, result] of products) {
      if (left !== null && right !== null && result !== null)
        await multiplyRows(left, height, right, width, a.inputs, result, pacer);
    }
  }

  /** The rows of a block in double precision. */
  #wide(name: Rows, data: TensorData | null, unit: number, panels: number): Float64Array | null {
    if (data === null) return null;
    const { inputs } = this.#a;
    const rows = data.subarray(unit * inputs, (unit + panels * TILE) * inputs);
    if (rows instanceof Float64Array) return rows;
    const buffer = this.#rows[name] ?? new Float64Array(BLOCK * inputs);
    this.#rows[name] = buffer;
    buffer.set(rows);
    return buffer;
  }

  /** K of 4 × 4 units by series, into the strips. */
  #addTile(row: number, column: number, panel: number, other: number, degree: number): void {
    const at = (panel * PANELS + other) * TILE * TILE;
    const place = { unit: row * BLOCK + panel * TILE, other: column * BLOCK + other * TILE };
    const [strips, to] = [this.#strips, stripAt(panel, other)];
    if (this.#kappa === null && this.#otherKappa === null) {
      hiddenSeries(this.#a.p, this.#b.p, place, this.#rho, at, degree, strips, to);
    } else {
      const crossed = { rho: this.#rho, kappa: this.#kappa, otherKappa: this.#otherKappa, nu: this.#nu, at };
      gatedSeries(this.#a, this.#b, place, crossed, degree, strips, to);
    }
  }

  /** Whether series do not reach some of 4 × 4 units. */
  #hasBeyond(panel: number, other: number): boolean {
    const start = (panel * PANELS + other) * TILE * TILE;
    for (let at = start; at < start + TILE * TILE; at++) if (Math.abs(this.#rho[at]) > this.#plan.reach) return true;
    return false;
  }

  /** K of those. */
  async #closed(row: number, column: number, panel: number, other: number, pacer: Pacer): Promise<void> {
    const start = (panel * PANELS + other) * TILE * TILE;
    for (let i = 0; i < TILE; i++) {
      for (let j = 0; j < TILE; j++) {
        const at = start + i * TILE + j;
        if (Math.abs(this.#rho[at]) <= this.#plan.reach) continue;
        const [unit, otherUnit] = [row * BLOCK + panel * TILE + i, column * BLOCK + other * TILE + j];
        const rho = this.#same && unit === otherUnit ? 1 : exactRho(this.#a, unit, this.#b, otherUnit, this.#rho[at]);
        const value = (of: Float64Array | null) => (of === null ? 0 : of[at]);
        const crossed = { rho, kappa: value(this.#kappa), otherKappa: value(this.#otherKappa), nu: value(this.#nu) };
        const place = stripAt(panel, other) + j * TILE + i;
        const all = closedKernel(this.#a, this.#b, unit, otherUnit, crossed);
        this.#strips.all[place] = all;
        this.#strips.higher[place] = all - this.#strips.quadratic[place];
        if (pacer.due(CLOSED_WORK)) await pacer.pause();
      }
    }
  }

  /** Adds Σ_h D_ch (K D'ᵀ)_hc over the units of a block to every output. */
  async #reduce(
    part: keyof Strips,
    row: number,
    column: number,
    height: number,
    width: number,
    pacer: Pacer,
  ): Promise<void> {
    const [a, b, result] = [this.#a, this.#b, this.#sums[part]];
    const strips = { data: this.#strips[part], at: 0, count: height, size: TILE * BLOCK };
    const downs = { data: b.packedDown, at: TILE * column * BLOCK, count: panelCount(a.outputs), size: TILE * b.units };
    await multiplyPanels(width * TILE, strips, downs, pacer, (tiles, panel, first) => {
      const unit = row * BLOCK + panel * TILE;
      for (let output = first * TILE, tile = 0; tile < tiles.length; output += TILE, tile += TILE * TILE) {
        const down = output * a.units + TILE * unit;
        for (let c = 0; c < Math.min(TILE, a.outputs - output); c++) {
          let sum = 0;
          for (let h = 0; h < TILE; h++) sum += a.packedDown[down + TILE * h + c] * tiles[tile + TILE * h + c];
          result[output + c] += sum;
        }
      }
    });
  }

  /** All degrees together. */
  async finish(pacer: Pacer): Promise<HiddenProducts> {
    const { outputs, constant, linear, inputs, positions } = this.#a;
    const { constant: otherConstant, linear: otherLinear } = this.#b;
    const slices = new Float64Array(outputs);
    const degrees = new Float64Array(4);
    let bound = 0;
    for (let c = 0; c < outputs; c++) {
      const zeroth = constant[c] * otherConstant[c];
      let first = 0;
      if (linear !== null && otherLinear !== null) {
        for (let j = c * inputs; j < (c + 1) * inputs; j++) first += linear[j] * otherLinear[j];
      }
      slices[c] = positions * (zeroth + first + this.#sums.all[c]);
      bound += positions * this.#plan.bounds[c];
      for (const [d, part] of [zeroth, first, this.#sums.quadratic[c], this.#sums.higher[c]].entries())
        if (this.#degrees) degrees[d] += positions * part;
      if (pacer.due(inputs)) await pacer.pause();
    }
    return { slices, degrees, bound };
  }
}

/** A closed form, in multiply-adds: about the time of so many. */
const CLOSED_WORK = 1 << 12;

/** Where K of a tile lies in the strips. */
const stripAt = (panel: number, other: number): number => TILE * (panel * BLOCK + other * TILE);

/** Panels of a block that there are. */
function panelsOf({ units }: HiddenModel, block: number): number {
  return Math.min(PANELS, units / TILE - block * PANELS);
}

/** Rounds what is beyond ±1 back. @returns the largest |ρ| up to the reach. */
function farthestWithin(reach: number, rho: Float64Array, count: number): number {
  let farthest = 0;
  for (let at = 0; at < count; at++) {
    const size = Math.min(1, Math.abs(rho[at]));
    if (size === 1) rho[at] = Math.sign(rho[at]);
    if (size <= reach && size > farthest) farthest = size;
  }
  return farthest;
}

/** Products of the rows of some panels with those of others, a tile of 4 × 4 after the other. */
async function multiplyRows(
  left: Float64Array,
  height: number,
  right: Float64Array,
  width: number,
  inputs: number,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  result.fill(0);
  const size = TILE * inputs;
  for (let start = 0; start < inputs; start += DEPTH) {
    const depth = Math.min(DEPTH, inputs - start);
    const part = (data: Float64Array, count: number) => ({ data, at: TILE * start, count, size });
    await multiplyPanels(depth, part(left, height), part(right, width), pacer, (tiles, panel, other) => {
      const at = (panel * PANELS + other) * TILE * TILE;
      for (let i = 0; i < tiles.length; i++) result[at + i] += tiles[i];
    });
  }
}

/** Where |ρ| is this near to 1 a dot product does not know how near. */
const NEAR = 0.9;

/** ρ = ±(1 − ½‖ŵ ∓ ŵ'‖²), which is exact at 1. */
function exactRho(a: HiddenModel, unit: number, b: HiddenModel, other: number, rho: number): number {
  if (Math.abs(rho) < NEAR) return rho;
  const sign = Math.sign(rho);
  let square = 0;
  for (let j = 0; j < a.inputs; j++) {
    const difference = elementOf(a, unit, j) - sign * elementOf(b, other, j);
    square += difference * difference;
  }
  return sign * (1 - square / 2);
}

/** Element j of ŵ of a unit. */
function elementOf({ directions, inputs }: HiddenModel, unit: number, j: number): number {
  return directions[(unit - (unit % TILE)) * inputs + TILE * j + (unit % TILE)];
}
