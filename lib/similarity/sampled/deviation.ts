import { Pacer } from '../../cooperate.js';
import type { TensorData } from '../../tensor/tensor.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import { STREAMS } from './draws.js';
import { watchedPairs } from './monitor.js';
import { openSite } from './sampled.js';
import { controlOf, type SampleSettings } from './settings.js';
import { DEVIATION_SAMPLES } from './sizes.js';

/**
 * The standard deviation of what one random input tells of a similarity, the largest of all watched pairs, from a few
 * (MATH.md section 17: σ₁); infinite where they leave the range of numbers.
 * @throws TensimError as reading and packing the models; the signal's reason.
 */
export async function deviationOfSamples(
  members: readonly Member[],
  law: LawOfInputs,
  settings: SampleSettings,
): Promise<number> {
  const { backend, seed, signal } = settings;
  const control = controlOf(settings);
  const pacer = new Pacer(signal);
  const different = [...new Set(members)];
  const { ensemble, whitening, dispose } = await openSite(members, different, law, settings);
  try {
    const { dimension } = whitening!;
    const z = await backend.normals.draw({ seed, stream: STREAMS.weigh, dimension }, 0, DEVIATION_SAMPLES, control);
    const inputs = await whitening!.inputsOf(z, control);
    const values: TensorData[] = [];
    for (let m = 0; m < ensemble.count; m++) values.push(await ensemble.evaluate(m, inputs, control));
    const width = ensemble.positions * ensemble.outputs;
    const products = (i: number, j: number) =>
      Float64Array.from({ length: DEVIATION_SAMPLES }, (_, s) => {
        let sum = 0;
        for (let k = s * width; k < (s + 1) * width; k++) sum += values[i][k] * values[j][k];
        return sum;
      });
    const mean = (of: Float64Array) => of.reduce((sum, value) => sum + value, 0) / of.length;
    let largest = 0;
    for (const [i, j] of watchedPairs(ensemble.count)) {
      const [ff, fg, gg] = [products(i, i), products(i, j), products(j, j)];
      const [x, y, w] = [ff, fg, gg].map(mean);
      const norms = Math.sqrt(x) * Math.sqrt(w);
      const influence = fg.map((value, s) => value / norms - (y / norms / 2) * (ff[s] / x + gg[s] / w));
      const square = mean(influence.map((value) => value ** 2));
      largest = Number.isFinite(square) ? Math.max(largest, square) : Number.POSITIVE_INFINITY;
      if (pacer.due(3 * DEVIATION_SAMPLES * width)) await pacer.pause();
    }
    return Math.sqrt(largest);
  } finally {
    dispose();
  }
}
