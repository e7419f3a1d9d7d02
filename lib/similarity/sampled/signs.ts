import type { Control } from '../../backend/control.js';
import type { Pacer } from '../../cooperate.js';
import type { TensorData } from '../../tensor/tensor.js';
import type { Draws } from './draws.js';
import type { Ensemble } from './ensemble.js';
import { PERIOD } from './proposal.js';

/** Pairs of inputs that tell. */
const SAMPLES = 16 * PERIOD;
/** So many models, the first, tell. */
const MODELS = 8;

/**
 * Whether every z should come with −z: where what a sample adds to the similarities at z and at −z is correlated
 * negatively, as where models have a large constant and a linear part. Elsewhere the second evaluation tells less than
 * one at another z, and for even and for odd functions nothing.
 */
export async function oppositesPay(ensemble: Ensemble, pairs: Draws, control: Control, pacer: Pacer): Promise<boolean> {
  const { inputs, weights, count: all } = await pairs.at(0, SAMPLES, control);
  const count = all / 2;
  const values: TensorData[] = [];
  for (let m = 0; m < Math.min(MODELS, ensemble.count); m++) {
    values.push(await ensemble.evaluate(m, inputs, control));
  }
  const width = ensemble.positions * ensemble.outputs;
  const weight = (s: number) => (weights === null ? 1 : weights[s]);
  let covariance = 0;
  for (let m = 1; m < values.length; m++) {
    const [ff, fg, gg] = [
      [values[m - 1], values[m - 1]],
      [values[m - 1], values[m]],
      [values[m], values[m]],
    ].map(([a, b]) => {
      return Float64Array.from({ length: 2 * count }, (_, s) => {
        let sum = 0;
        for (let i = s * width; i < (s + 1) * width; i++) sum += a[i] * b[i];
        return weight(s) * sum;
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
  return covariance < -NOISE * values.length;
}

/** A correlation that so many samples show by chance. */
const NOISE = 0.05;
