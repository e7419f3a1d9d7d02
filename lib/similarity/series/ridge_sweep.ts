import type { LawExtent } from '../law/extent.js';
import { whiten } from '../law/law.js';
import { plainly } from '../terms/plain.js';
import type { InputLaw } from '../terms/types.js';

/** A result under a covariance of which the identity has taken over a part. */
export interface RidgeStep<Result> {
  /** t: Σ became (1 − t) Σ + t · tr(Σ)/d · I. */
  readonly ridge: number;
  /** How much of the space of inputs that law reaches; absent where laws are of blocks, which say it themselves. */
  readonly extent?: LawExtent;
  /** The comparison under this law. */
  readonly result: Result;
}

/** One comparison under a law and more and more of the identity in it: how much the answer depends on the law. */
export interface RidgeSweep<Result> {
  /** Tells this result from others. */
  readonly kind: 'ridge';
  /** In the order that was asked for. */
  readonly steps: readonly RidgeStep<Result>[];
}

/**
 * Compares under a law with moments, once for every ridge. Where similarities hardly depend on it, neither do they on
 * directions that the law does not see.
 *
 *     const input = await momentsOf('activations.npy');
 *     const sweep = await ridgeSweep([0, 0.01, 0.1, 1], (ridge) => similarity(a, b, { input: { ...input, ridge } }), input);
 *
 * @param moments for the extent of each law; without them steps have none
 * @throws what `compare` throws; TensimError as `InputLaw` for moments that are no law
 */
export async function ridgeSweep<Result>(
  ridges: readonly number[],
  compare: (ridge: number) => Promise<Result>,
  moments?: Exclude<InputLaw, string | { readonly sigma: number }>,
): Promise<RidgeSweep<Result>> {
  const steps: RidgeStep<Result>[] = [];
  for (const ridge of ridges) {
    const result = await compare(ridge);
    const cov = moments?.cov;
    const size = cov && ('shape' in cov ? cov.shape[0] : cov.length);
    const extent = size === undefined ? undefined : (await whiten({ ...moments, ridge }, size)).extent;
    steps.push({ ridge, ...(extent && { extent }), result });
  }
  return plainly<RidgeSweep<Result>>({ kind: 'ridge', steps });
}
