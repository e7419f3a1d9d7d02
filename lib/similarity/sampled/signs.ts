import type { Control } from '../../backend/control.js';
import type { Pacer } from '../../cooperate.js';
import type { TensorData } from '../../tensor/tensor.js';
import type { Draws } from './draws.js';
import type { Ensemble } from './ensemble.js';
import { PERIOD } from './proposal.js';
import type { StandIns } from './stand_ins.js';

/** Pairs of inputs that tell, and their inputs. */
const SAMPLES = 16 * PERIOD;
export const SIGN_SAMPLES = 2 * SAMPLES;
/** So many models, the first, tell. */
const MODELS = 8;

/**
 * Whether every z should come with −z: where what a sample adds to the similarities at z and at −z is correlated
 * negatively, as where models have a large constant and a linear part. Elsewhere the second evaluation tells less than
 * one at another z, and for even and for odd functions nothing.
 * @param standIns the control variates of the estimate; null: there are none.
 */
export async function oppositesPay(
  ensemble: Ensemble,
  standIns: StandIns | null,
  pairs: Draws,
  control: Control,
  pacer: Pacer,
): Promise<boolean> {
  const { inputs, weights, count: all } = await pairs.at(0, SAMPLES, control);
  const count = all / 2;
  const values: TensorData[] = [];
  for (let m = 0; m < (standIns === null ? Math.min(MODELS, ensemble.count) : ensemble.count); m++) {
    values.push(await ensemble.evaluate(m, inputs, control));
  }
  const others = await standIns?.evaluate(values, inputs, control);
  const expected = standIns?.expected().total;
  const width = ensemble.positions * ensemble.outputs;
  const weight = (s: number) => (weights === null ? 1 : weights[s]);
  const productOf = (of: readonly TensorData[], i: number, j: number, s: number) => {
    let sum = 0;
    for (let k = s * width; k < (s + 1) * width; k++) sum += of[i][k] * of[j][k];
    return weight(s) * sum;
  };
  let covariance = 0;
  const asked = Math.min(MODELS, values.length);
  for (let m = 1; m < asked; m++) {
    const [ff, fg, gg] = [
      [m - 1, m - 1],
      [m - 1, m],
      [m, m],
    ].map(([i, j]) => {
      return Float64Array.from({ length: 2 * count }, (_, s) => {
        const own = productOf(values, i, j, s);
        return others === undefined ? own : own - productOf(others, i, j, s) + expected![i * values.length + j];
      });
    });
    const [x, y, w] = [ff, fg, gg].map((part) => part.reduce((sum, value) => sum + value / part.length, 0));
    const influence = ff.map((_, s) => fg[s] / Math.sqrt(x * w) - (y / Math.sqrt(x * w) / 2) * (ff[s] / x + gg[s] / w));
    let [square, product] = [0, 0];
    for (let s = 0; s < count; s++) {
      square += (influence[s] ** 2 + influence[s + count] ** 2) / 2;
      product += influence[s] * influence[s + count];
    }
    if (square > 0) covariance += product / square;
    if (pacer.due(count * (6 * width + 16))) await pacer.pause();
  }
  return covariance < -NOISE * asked;
}

/** A correlation that so many samples show by chance. */
const NOISE = 0.05;
