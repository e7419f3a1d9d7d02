import type { BlockOptions } from '../terms.js';
import { unitsAtOnce } from './exact.js';
import { FIRST_SAMPLES } from './sampled.js';
import type { MlpShape } from './source.js';

/**
 * How the MLPs of a layer are compared: exactly as `whole` models, which resolves the smallest differences; exactly by
 * `parts` of their units; or `sampled`.
 */
export type MlpMethod = 'whole' | 'parts' | 'sampled';

/** Exact comparisons of all layers that are expected to take no more seconds of one thread are not weighed. */
const PATIENCE = 60;
/** What is exact may cost so many times what sampling does. */
const WORTH = 5;
/** Rounds of samples that are expected. */
export const ROUNDS = 2;
/** Bytes of an MLP in double precision up to which it takes little memory as a whole. */
const WHOLE_BYTES = 8 * 2 ** 20;
/** Terms of the series of two units, and those of gated units, which take five of them. */
const TERMS = 60;

/** Rates of one thread of a machine of this class, in flops per second: the choice follows from them and sizes alone. */
export interface MlpRates {
  readonly float64: number;
  readonly float32: number;
}

/** Numbers of the matrices of an MLP. */
export const sizeOfMlp = ({ width, units, gated }: MlpShape): number => (gated ? 3 : 2) * width * units;

/** Flops of all exact products of MLPs, with those of parts that are prepared again. */
export function exactFlops(shapes: readonly MlpShape[]): number {
  const [{ width, gated }] = shapes;
  const count = shapes.length;
  const units = shapes.reduce((sum, shape) => sum + shape.units, 0) / count;
  const step = unitsAtOnce(shapes);
  const parts = Math.ceil(units / step);
  const pair = 2 * ((gated ? 4 : 1) * width + width + (gated ? 5 : 1) * TERMS);
  const prepared = (parts * (parts + 1)) / 2;
  const own = Math.min(units, step);
  const prepare = 2 * width ** 2 * own + (own ** 2 / 2) * pair;
  return count * prepared * prepare + ((count * count) / 2) * units ** 2 * pair;
}

/** Flops of so many inputs. */
export function sampleFlops(shapes: readonly MlpShape[], samples = ROUNDS * FIRST_SAMPLES): number {
  return 2 * samples * shapes.reduce((sum, shape) => sum + sizeOfMlp(shape), 0);
}

/**
 * How the MLPs of every layer are compared.
 * @param layers of every layer the MLPs that are compared with each other; none where a network has none there
 */
export function chooseMethods(
  layers: readonly (readonly MlpShape[])[],
  method: NonNullable<BlockOptions['method']>,
  rates: MlpRates,
): MlpMethod[] {
  const exactly = (shapes: readonly MlpShape[]): MlpMethod => {
    const isSmall = shapes.every((shape) => 8 * sizeOfMlp(shape) <= WHOLE_BYTES);
    return shapes.length <= 2 && isSmall ? 'whole' : 'parts';
  };
  const there = layers.filter((shapes) => shapes.length > 0);
  const seconds = there.reduce((sum, shapes) => sum + exactFlops(shapes) / rates.float64, 0);
  return layers.map((shapes) => {
    if (method === 'sampled') return 'sampled';
    if (method === 'exact' || shapes.length === 0 || seconds <= PATIENCE) return exactly(shapes);
    const [exact, sampled] = [exactFlops(shapes) / rates.float64, sampleFlops(shapes) / rates.float32];
    return exact > WORTH * sampled ? 'sampled' : exactly(shapes);
  });
}
