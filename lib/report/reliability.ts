import { FEWEST_EFFECTIVE } from '../similarity/sampled/jackknife.js';
import type { ResultInfo } from '../similarity/terms/types.js';
import { count } from '../words/counts.js';
import { errorText } from '../words/numbers.js';

/** Half the width of an interval that says nothing: from it on, half of what there is lies within. */
const NO_WIDTH = 0.25;
/** Inputs that carry a norm, of which fewer say nothing of it, nor of how wide its interval is. */
const NO_INPUTS = 50;
const NO_ANSWER = 'This is no answer yet.';

/** Whether a sampled result says nothing of how similar models are: it is told so first, and has no headline. */
export function isUseless({ sampling }: Pick<ResultInfo, 'sampling'>): boolean {
  if (sampling === null || sampling.reached) return false;
  return sampling.interval >= NO_WIDTH || sampling.effectiveSamples < NO_INPUTS;
}

/** Where a sampled result is less certain than was asked for: that, why, and what would help. None otherwise. */
export function toleranceSentences({ sampling }: Pick<ResultInfo, 'sampling'>): string[] {
  if (sampling === null || sampling.reached) return [];
  const { tolerance, interval, effectiveSamples, samples, tokenModels } = sampling;
  const missed =
    interval > tolerance
      ? [
          `The tolerance of ± ${errorText(tolerance)} was not reached: after ${count(samples)} inputs the widest 95 % interval is ± ${errorText(interval)}.`,
        ]
      : [];
  const carried =
    effectiveSamples < FEWEST_EFFECTIVE
      ? [
          `As few as ${count(effectiveSamples)} of ${count(samples)} inputs carry the norm of a model: intervals may be too narrow.`,
        ]
      : missed.length === 0
        ? ['Few inputs carry the errors, or their largest contributions have no bound: intervals may be too narrow.']
        : [];
  const help = tokenModels
    ? 'These look like models of tokens, whose outputs on Gaussian vectors have heavy tails: compare them under the input law "tokens" (--input tokens).'
    : 'More samples (maxSamples, --max-samples) make them narrower, with their square root.';
  return [...(isUseless({ sampling }) ? [NO_ANSWER] : []), ...missed, ...carried, help];
}
