import { TensimError } from '../../errors.js';
import { precisionOf } from '../../tensor/tensor.js';
import { valueText } from '../../words/quoting.js';
import { digestOfName } from '../law/input_digest.js';
import type { ResultInfo, SimilarityResult } from '../terms/types.js';

/** What a comparison says about how it was made, and of what; an earlier one may say less. */
export type Making = Partial<
  Pick<ResultInfo, 'measure' | 'method' | 'exact' | 'dtype' | 'tf32' | 'input' | 'inputDigest'> &
    Pick<SimilarityResult, 'normB'>
>;

/** Norms of one reference in two comparisons differ by rounding: of other kernels, other processors. */
const ROUNDING = { float64: 1e-6, float32: 1e-3, tf32: 1e-2 } as const;

/**
 * Makes sure that a comparison can be held against a baseline: a drop can be told only between numbers of one kind.
 * What one of the two does not say is not compared, except for the content of the input law: it must be known.
 * @throws TensimError `INVALID_ARGUMENT` naming what differs.
 */
export function requireSameMaking(baseline: Making, comparison: Making): void {
  for (const [name, part] of [
    ['measure', 'measure'],
    ['method', 'method'],
    ['exactness', 'exact'],
    ['dtype', 'dtype'],
  ] as const) {
    const [before, now] = [baseline[part], comparison[part]];
    if (before === undefined || now === undefined || before === now) continue;
    throw refusal(`the baseline has the ${name} ${told(before)}, this gate ${told(now)}`);
  }
  if (baseline.tf32 !== comparison.tf32 && baseline.dtype !== undefined && comparison.dtype !== undefined)
    throw refusal(`products are in TF32 in ${baseline.tf32 ? 'the baseline' : 'this gate'} alone`);
  requireSameInput(baseline, comparison);
  requireSameReference(baseline, comparison);
}

function requireSameInput(baseline: Making, { input, inputDigest, measure }: Making): void {
  if (baseline.input === undefined || input === undefined) return;
  const what = measure === 'behavioural' ? 'inputs' : 'input law';
  if (inputDigest === undefined || baseline.input === null || input === null) {
    if (baseline.input === input) return;
    throw refusal(`the baseline has the ${what} ${told(baseline.input)}, this gate ${told(input)}`);
  }
  const before = baseline.inputDigest ?? digestOfName(baseline.input);
  if (before === inputDigest) return;
  if (baseline.input !== input) {
    throw refusal(`the baseline has the ${what} ${told(baseline.input)}, this gate ${told(input)}`);
  }
  throw refusal(
    before === null
      ? `the baseline names its ${what} ${told(input)} and does not say what that held, so that it cannot be compared`
      : `the baseline has other numbers in its ${what} ${told(input)} than this gate`,
  );
}

/** The reference of a baseline is known by its norm where nothing else tells it. */
function requireSameReference(baseline: Making, { normB, dtype = 'float64', tf32, method }: Making): void {
  const before = baseline.normB;
  if (method === undefined || method === 'sampled' || normB === undefined || before === undefined) return;
  if (!(Number.isFinite(before) && Number.isFinite(normB))) return;
  if (Math.abs(before - normB) <= ROUNDING[precisionOf(dtype, { tf32 })] * Math.max(before, normB)) return;
  throw refusal(`the baseline was made against another reference, of norm ${before} instead of ${normB}`);
}

function refusal(message: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', message, {
    hint: 'A drop can be told only from a baseline made in the same way: make it anew',
  });
}

const told = (value: unknown): string => (typeof value === 'string' ? value : valueText(value));
