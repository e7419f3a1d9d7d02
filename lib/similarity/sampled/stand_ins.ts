import type { Control } from '../../backend/control.js';
import type { GramTile } from '../../backend/grams.js';
import { timesPower } from '../../tensor/power.js';
import type { TensorData } from '../../tensor/tensor.js';
import type { Draw } from './draws.js';
import type { Companion, Ensemble } from './ensemble.js';
import { type Surrogates, surrogateMember } from './surrogate.js';

/** Evaluates the surrogates of the models of an ensemble, and knows their expectations. */
export class StandIns {
  readonly #ensemble: Ensemble;
  readonly #surrogates: Surrogates;
  readonly #companions: readonly (Companion | null)[];

  constructor(ensemble: Ensemble, surrogates: Surrogates) {
    this.#ensemble = ensemble;
    this.#surrogates = surrogates;
    this.#companions = surrogates.of.map((surrogate, m) => {
      if (surrogate === null || surrogate === 'self') return null;
      return ensemble.beside(surrogateMember(ensemble.members[m], surrogate));
    });
  }

  /** Outputs of the surrogates, in the units of the models; zeros where there is none. */
  async evaluate(values: readonly TensorData[], inputs: Draw['inputs'], control: Control): Promise<TensorData[]> {
    const all: TensorData[] = [];
    for (const [m, companion] of this.#companions.entries()) {
      if (companion === null) {
        all.push(this.#surrogates.of[m] === null ? new Float64Array(values[m].length) : values[m]);
        continue;
      }
      const own = await companion.evaluate(inputs, control);
      const power = companion.exponent() - this.#ensemble.exponent(m);
      all.push(power === 0 ? own : own.map((value) => timesPower(value, power)));
    }
    return all;
  }

  /** E f̃·g̃ of these models, in their units: of `models`, once they have been evaluated. */
  expected(): { readonly total: Float64Array; readonly perOutput: Float64Array | null } {
    const { of, total, perOutput } = this.#surrogates;
    const count = of.length;
    const outputs = perOutput === null ? 0 : perOutput.length / total.length;
    const power = (cell: number) => {
      return -this.#ensemble.exponent(Math.floor(cell / count)) - this.#ensemble.exponent(cell % count);
    };
    return {
      total: total.map((value, cell) => timesPower(value, power(cell))),
      perOutput: perOutput?.map((value, at) => timesPower(value, power(Math.floor(at / outputs)))) ?? null,
    };
  }

  dispose(): void {
    for (const companion of this.#companions) companion?.dispose();
  }
}

/** Below this part of both norms the expectation of a difference is too near to their rounding. */
const APART = 1e-6;

/** What the expectations of two surrogates say of their difference. */
export interface ExpectedDifference {
  /** (3, 3) and (3, 3, o): of the two and their difference. */
  readonly total: Float64Array;
  readonly perOutput: Float64Array | null;
  /** Whether it can stand in for the difference of the models, in all and per output. */
  readonly usable: (c: number) => boolean;
}

/**
 * E of two surrogates and of f̃ 2^(u−w) − g̃ 2^(v−w) with w the larger exponent; zero where the difference is so small that
 * nothing would be left of it but rounding.
 */
export function withDifference(
  { total, perOutput }: ReturnType<StandIns['expected']>,
  u: number,
  v: number,
): ExpectedDifference {
  const most = Math.max(u, v);
  const [x, y] = [timesPower(1, u - most), timesPower(1, v - most)];
  const outputs = perOutput === null ? 0 : perOutput.length / 4;
  const of = (cells: Float64Array, size: number, c: number) => {
    const [aa, ab, bb] = [cells[c], cells[size + c], cells[3 * size + c]];
    const [ax, bx] = [x * aa - y * ab, x * ab - y * bb];
    const square = x * ax - y * bx;
    const usable = square > APART * (x * x * aa + y * y * bb);
    return {
      usable,
      nine: [aa, ab, usable ? ax : 0, ab, bb, usable ? bx : 0].concat(usable ? [ax, bx, square] : [0, 0, 0]),
    };
  };
  if (perOutput === null) {
    const { usable, nine } = of(total, 1, 0);
    return { total: Float64Array.from(nine), perOutput: null, usable: () => usable };
  }
  const slices = Array.from({ length: outputs }, (_, c) => of(perOutput, outputs, c));
  const nine = Float64Array.from(
    { length: 9 * outputs },
    (_, at) => slices[at % outputs].nine[Math.floor(at / outputs)],
  );
  const sums = Float64Array.from({ length: 9 }, (_, cell) => slices.reduce((sum, slice) => sum + slice.nine[cell], 0));
  return { total: sums, perOutput: nine, usable: (c) => slices[c].usable };
}

/** f·g − f̃·g̃ over `count` samples, and as often E f̃·g̃. */
export function controlled(
  tile: GramTile,
  standIns: GramTile,
  expected: Pick<ExpectedDifference, 'total' | 'perOutput'>,
  count: number,
): GramTile {
  const of = (own: Float64Array, other: Float64Array, mean: Float64Array) =>
    own.map((value, at) => value - other[at] + count * mean[at]);
  return {
    total: of(tile.total, standIns.total, expected.total),
    ...(tile.perOutput && { perOutput: of(tile.perOutput, standIns.perOutput!, expected.perOutput!) }),
  };
}
