import type { BackendName } from '../../lib/backend/backend.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { judge } from '../../lib/similarity/gate/gate.js';
import { INTERVAL } from '../../lib/similarity/sampled/jackknife.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityResult } from '../../lib/similarity/terms/types.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { random } from '../../test/support/random.js';
import type { Instance, Kind } from './kinds.js';

/** What came of one estimate of a known similarity. */
export interface Trial {
  readonly kind: string;
  readonly number: number;
  readonly truth: number;
  readonly value: number;
  readonly standardError: number;
  readonly reached: boolean;
  readonly samples: number;
  readonly effectiveSamples: number;
  /** Whether it was sampled beside surrogates. */
  readonly surrogates: boolean;
  readonly seconds: number;
  /**
   * Samples that plain sampling would need for the tolerance; NaN under the law `tokens`, which is sampled plainly
   * anyway.
   */
  readonly plain: number;
  /** Per output: the estimate's distance from the truth in standard errors, of those that are said to be reached. */
  readonly slices: readonly number[];
  /** Gates that passed although a similarity is below its limit. */
  readonly wrongPasses: number;
}

export interface CampaignOptions {
  readonly kinds: readonly Kind[];
  /** Networks of each kind. */
  readonly count: number;
  readonly seed: number;
  readonly backend?: BackendName | undefined;
  readonly maxSamples?: number | undefined;
  readonly tolerance?: number | undefined;
  /** Ends the campaign after the network that is being sampled. */
  readonly seconds?: number | undefined;
  readonly onTrial?: ((trial: Trial) => void) | undefined;
}

/**
 * Estimates random networks of every kind, one of each in turn. The same seed gives the same networks and the same
 * estimates.
 */
export async function campaign(options: CampaignOptions): Promise<Trial[]> {
  const { kinds, count, seed, seconds = Number.POSITIVE_INFINITY, onTrial } = options;
  const end = performance.now() + 1000 * seconds;
  const trials: Trial[] = [];
  for (let number = 0; number < count; number++) {
    for (const kind of kinds) {
      if (performance.now() > end) return trials;
      const instance = await kind.make(random(hash(`${kind.name} ${seed} ${number}`)));
      const trial = await estimate(kind.name, number, instance, options);
      trials.push(trial);
      onTrial?.(trial);
    }
  }
  return trials;
}

async function estimate(kind: string, number: number, instance: Instance, options: CampaignOptions): Promise<Trial> {
  const { models, input, truth } = instance;
  const { backend, maxSamples, tolerance } = options;
  const start = performance.now();
  const result = await similarity(...models, {
    method: 'sampled',
    perOutput: true,
    seed: number,
    input,
    backend,
    maxSamples,
    tolerance,
  });
  const seconds = (performance.now() - start) / 1000;
  const { reached, samples, effectiveSamples } = result.sampling!;
  const slices = result.perOutput!.flatMap((slice, c) => {
    const trusted = slice.reached ?? reached;
    return trusted && slice.similarity !== null
      ? [errorIn(slice.similarity, truth.slices[c], slice.standardError!)]
      : [];
  });
  return {
    kind,
    number,
    truth: truth.whole,
    value: result.similarity,
    standardError: result.standardError!,
    reached,
    samples,
    effectiveSamples,
    surrogates: result.sampling!.surrogate !== undefined,
    seconds,
    plain: await plainSamples(instance, number, result.sampling!.tolerance),
    slices,
    wrongPasses: wrongPasses(result, truth),
  };
}

/** How many standard errors an estimate is off. */
export function errorIn(value: number, truth: number, standardError: number): number {
  const off = Math.abs(value - truth);
  // Where both are 1 to rounding there is no error to be found.
  return off <= 1e-12 ? 0 : off / standardError;
}

/** Gates with the default limits and with limits just above the truth. */
function wrongPasses(result: SimilarityResult, truth: Instance['truth']): number {
  const worst = Math.min(...truth.slices.filter((value) => !Number.isNaN(value)));
  const gates = [
    { min: 0.98, minOutput: 0.9 },
    { min: truth.whole + 0.01, minOutput: -1 },
    { min: -1, minOutput: worst + 0.01 },
  ];
  const wrong = gates.filter(
    ({ min, minOutput }) =>
      min <= 1 &&
      minOutput <= 1 &&
      (truth.whole < min || worst < minOutput) &&
      judge(result, { min, minOutput }).outcome === 'pass',
  );
  return wrong.length;
}

/** Plain samples from which their number is told. */
const PLAIN = 4096;

/**
 * From the variance of the similarity's linearisation on plain samples, which see no far tail: no more than a lower
 * bound where there is one.
 */
async function plainSamples({ models: [f, g], input }: Instance, seed: number, tolerance: number): Promise<number> {
  if (input === 'tokens') return Number.NaN;
  const [positions, features] = f.inputShape;
  const draw = random(seed + 1);
  const data = Float64Array.from({ length: PLAIN * positions * features }, () => draw.normal());
  const inputs = tensor(data, positions === 1 ? [PLAIN, features] : [PLAIN, positions, features]);
  const [a, b] = [(await evaluate(f, inputs)).data, (await evaluate(g, inputs)).data];
  const width = a.length / PLAIN;
  const products = Array.from({ length: PLAIN }, (_, s) => {
    const sums = [0, 0, 0];
    for (let i = s * width; i < (s + 1) * width; i++) {
      sums[0] += a[i] * a[i];
      sums[1] += a[i] * b[i];
      sums[2] += b[i] * b[i];
    }
    return sums;
  });
  const [ff, fg, gg] = [0, 1, 2].map((part) => products.reduce((sum, product) => sum + product[part] / PLAIN, 0));
  const cosine = fg / Math.sqrt(ff * gg);
  const variance = products.reduce((sum, [x, y, z]) => {
    const influence = y / Math.sqrt(ff * gg) - (cosine / 2) * (x / ff + z / gg);
    return sum + influence ** 2 / PLAIN;
  }, 0);
  return variance * (INTERVAL / tolerance) ** 2;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}
