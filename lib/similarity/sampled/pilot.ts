import type { Control } from '../../backend/backend.js';
import { Pacer } from '../../cooperate.js';
import type { ResolvedSettings } from '../options.js';
import { gaussianDraws, STREAMS, type Whitening } from './draws.js';
import { type Ensemble, powers } from './ensemble.js';
import { type Mixture, SecondMoment } from './mixture.js';

/** Pilot samples of each round. Every round draws from the mixture of the one before, and so sees more of the tails. */
const ROUNDS = [2048, 4096, 8192, 16384] as const;
/** What a fit costs, in samples. */
export const PILOT_SAMPLES = ROUNDS.reduce((sum, samples) => sum + samples, 0);
/** Samples at a time. */
const BATCH = 2048;
/** So many models, evenly spread, stand for all. */
const MODELS = 8;
/** No sample counts for more than so many average ones: it would be a direction of its own. */
const CLIP = 20;

/**
 * Beyond this the second moment of z is too large to be estimated or decomposed. 2,048² numbers take 32 MiB.
 */
export const MOST_DIMENSIONS = 2048;

/**
 * The mixture that inputs are best drawn from for these models (MATH.md section 8): S ← E[p zzᵀ] / E[p] with p the sum over models of |f|²
 * each divided by its mean, on samples of their own.
 * @returns null where no direction stands out.
 */
export async function fitMixture(
  ensemble: Ensemble,
  whitening: Whitening,
  settings: Pick<ResolvedSettings, 'backend' | 'threads' | 'seed'>,
  control: Control,
): Promise<Mixture | null> {
  const { backend, threads, seed } = settings;
  const { dimension } = whitening;
  const pacer = new Pacer(control.signal);
  const chosen = spread(ensemble.count, MODELS);
  let mixture: Mixture | null = null;
  for (const [round, samples] of ROUNDS.entries()) {
    const stream = STREAMS.pilot + round;
    const draws = gaussianDraws({ whitening, seed, stream, antithetic: false, mixture }, backend);
    const moment = new SecondMoment({ backend, threads, dimension });
    const means: number[] = [];
    for (let done = 0; done < samples; done += BATCH) {
      const { z, weights } = await draws.white(BATCH, control);
      const inputs = await whitening.inputsOf(z, control);
      const mass = new Float64Array(BATCH);
      for (const [i, m] of chosen.entries()) {
        const { positions, outputs } = ensemble;
        const values = await ensemble.evaluate(m, inputs, control);
        const power = await powers(values, { count: BATCH, positions, outputs }, pacer);
        if (weights !== null) for (let s = 0; s < BATCH; s++) power[s] *= weights[s];
        // Of the first batch: all later ones must be measured alike.
        means[i] ??= meanOf(power);
        if (means[i] > 0) for (let s = 0; s < BATCH; s++) mass[s] += power[s] / means[i];
      }
      const most = CLIP * meanOf(mass);
      await moment.add(
        z,
        mass.map((value) => Math.min(value, most)),
        control,
      );
    }
    mixture = await moment.mixture(control);
  }
  return mixture;
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** At most `most` of the numbers below `count`, the first and the last among them. */
function spread(count: number, most: number): readonly number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}
