import { createHash, type Hash } from 'node:crypto';
import type { Pacer } from '../../cooperate.js';
import type { ReadInputs } from '../../evaluation/inputs.js';

/** Numbers turned into bytes between two chances to yield. */
const CHUNK = 1 << 16;

/** The moments of a Gaussian law on d inputs as they were given, each left out where it is 0 or I. */
export interface Moments {
  readonly mean?: Float64Array | undefined;
  /** (d, d), row-major, symmetric. */
  readonly cov?: Float64Array | undefined;
}

/**
 * SHA-256 of the law of a name that says all of it: `standard`, `onehot`, `tokens`, `sigma=S`; null for any other name.
 */
export function digestOfName(name: string): string | null {
  if (name === 'standard') return digestOfName('sigma=1');
  if (name === 'onehot' || name === 'tokens') return head(name).digest('hex');
  const sigma = name.startsWith('sigma=') ? Number(name.slice('sigma='.length)) : Number.NaN;
  if (!(sigma > 0 && Number.isFinite(sigma))) return null;
  const variance = sigma * sigma;
  // A square that leaves the range of numbers would stand for all such.
  const inRange = variance > 0 && Number.isFinite(variance);
  return head(inRange ? ['variance', variance] : ['sigma', sigma]).digest('hex');
}

/**
 * SHA-256 of N(mean, cov) on `inputs` inputs: the same for the same moments, however they are given and whatever they
 * are called.
 */
export async function digestOfMoments({ mean, cov }: Moments, inputs: number, pacer: Pacer): Promise<string> {
  const centred = mean === undefined || mean.every((value) => value === 0);
  const variance = cov === undefined ? 1 : await isotropic(cov, inputs, pacer);
  if (centred && variance !== null) return head(['variance', variance]).digest('hex');
  const hash = head(['moments', inputs, variance, !centred]);
  if (!centred) await update(hash, mean, pacer);
  if (variance === null) await update(hash, cov!, pacer);
  return hash.digest('hex');
}

/** SHA-256 of inputs that models are run on. */
export async function digestOfInputs({ kind, values, leading }: ReadInputs, pacer: Pacer): Promise<string> {
  const hash = head(['inputs', kind, leading[0], values.length]);
  await update(hash, values, pacer);
  return hash.digest('hex');
}

const head = (content: unknown): Hash => createHash('sha256').update(`${JSON.stringify(content)}\n`);

/** The v of a covariance v·I; null for any other. */
async function isotropic(cov: Float64Array, inputs: number, pacer: Pacer): Promise<number | null> {
  for (let i = 0, at = 0; i < inputs; i++) {
    for (let j = 0; j < inputs; j++, at++) if (cov[at] !== (i === j ? cov[0] : 0)) return null;
    if (pacer.due(inputs)) await pacer.pause();
  }
  return cov[0];
}

/** By value: numbers of any type as doubles, −0 as 0. */
async function update(hash: Hash, numbers: ArrayLike<number>, pacer: Pacer): Promise<void> {
  for (let start = 0; start < numbers.length; start += CHUNK) {
    const chunk = new Float64Array(Math.min(CHUNK, numbers.length - start));
    for (let i = 0; i < chunk.length; i++) chunk[i] = numbers[start + i] + 0;
    hash.update(new Uint8Array(chunk.buffer));
    if (pacer.due(8 * chunk.length)) await pacer.pause();
  }
}
