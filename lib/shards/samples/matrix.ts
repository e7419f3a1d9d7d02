import { TensimError } from '../../errors.js';
import type { Outline } from '../../model/reading/outline.js';
import { isOnehot } from '../../similarity/law/onehot.js';
import type { OfSamples } from '../../similarity/plan/comparison.js';
import { functionsOf } from '../../similarity/sampled/basis.js';
import type { GroupSize } from '../../similarity/sampled/group.js';
import { GROUPS } from '../../similarity/sampled/jackknife.js';
import { watchedPairs } from '../../similarity/sampled/monitor.js';
import { KEPT } from '../../similarity/sampled/tails.js';
import { MOST_RECORD } from '../../similarity/state/log.js';
import { settingOf } from '../../similarity/state/setting.js';
import type { MatrixSettings } from '../../similarity/terms/matrix_options.js';
import { bytesText } from '../../words/bytes.js';
import type { Subject } from '../subject.js';

/** A matrix that is sampled, whose shards are groups of samples. */
export interface SampledMatrix {
  readonly settings: MatrixSettings;
  readonly subject: Subject;
  readonly comparison: OfSamples;
  readonly pairs: number;
  /** Its pairs are not cut. */
  readonly cut: null;
}

/** The groups of samples of a shard, which is counted from 0. */
export function groupsOf(shard: number, count: number): number[] {
  const from = Math.floor((shard * GROUPS) / count);
  return Array.from({ length: Math.floor(((shard + 1) * GROUPS) / count) - from }, (_, i) => from + i);
}

/** @throws TensimError `INVALID_ARGUMENT` where there are more shards than groups; `MEMORY_LIMIT`. */
export function checkShards(count: number, size: GroupSize): void {
  if (count > GROUPS) {
    throw new TensimError('INVALID_ARGUMENT', `a sampled matrix is cut into at most ${GROUPS} shards`, {
      reason: `its samples are added up in ${GROUPS} groups, of which none is cut`,
      hint: `Give no more: --shard ${GROUPS}; every shard may use many threads (--threads)`,
    });
  }
  const bytes = Math.max(bytesOfGroup(size), bytesOfStage(size));
  if (bytes > MOST_RECORD) {
    throw new TensimError('MEMORY_LIMIT', `what a shard keeps at a time would take ${bytesText(bytes)}`, {
      hint: 'Leave "perOutput" out, or compare fewer models at a time',
    });
  }
}

/** Bytes that a group of so many samples takes in a state file, at most. */
export function bytesOfGroup({ models, functions, slices }: GroupSize, samples = Number.POSITIVE_INFINITY): number {
  const watched = (models + watchedPairs(models).length) * slices;
  return 8 * (functions ** 2 * slices + watched * (Math.min(KEPT, samples) + 4));
}

/** Bytes that what was decided takes there, beside what stands in for the models. */
export const bytesOfStage = ({ functions, slices }: GroupSize): number => 8 * 3 * functions ** 2 * slices;

/** By the sizes in the headers of files, of which some may be equal. */
export function sizeOf({ subject, settings }: Pick<SampledMatrix, 'subject' | 'settings'>): GroupSize {
  const models = new Set(subject.paths).size;
  const [outputs] = subject.outlines.map(outputsOf);
  return { models, functions: functionsOf(models), slices: settings.perOutput ? 1 + outputs : 1 };
}

const outputsOf = ({ outputShape }: Outline): number => outputShape[1];

/** What the sums of samples depend on beside the models, as JSON: two runs of the same text draw the same samples. */
export function sampledSetting({ info, settings, names, law }: OfSamples): string {
  const { seed, tolerance, maxSamples } = settings;
  const numbers = law === 'tokens' ? undefined : law;
  const own = JSON.parse(settingOf(info, settings, names, settings.backend.grams, undefined, numbers));
  const tokens = law === 'tokens' || isOnehot(law) ? { input: info.input } : {};
  return JSON.stringify({ ...own, ...tokens, seed, tolerance, maxSamples });
}
