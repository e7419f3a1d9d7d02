import { sampleFlops } from '../../similarity/plan/long_job.js';
import { GROUPS } from '../../similarity/sampled/jackknife.js';
import { FIRST_SAMPLES } from '../../similarity/sampled/sizes.js';
import { plainly } from '../../similarity/terms/plain.js';
import { RATES } from '../costs.js';
import { isAlike } from '../subject.js';
import type { PlannedShard, ShardPlan } from '../terms.js';
import { bytesOfGroup, bytesOfStage, checkShards, groupsOf, type SampledMatrix, sizeOf } from './matrix.js';

/** How a sampled matrix would be cut: into groups of samples, on which every shard evaluates all models. */
export function sampledPlan(matrix: SampledMatrix, count: number): ShardPlan {
  const { subject, comparison, settings, pairs } = matrix;
  const size = sizeOf(matrix);
  checkShards(count, size);
  const different = new Map(subject.paths.map((path, place) => [path, place]));
  const places = [...different.values()];
  const bytes = places.reduce((sum, place) => sum + subject.weights[place], 0);
  const reading = places.reduce((sum, place) => sum + subject.weights[place] / RATES.bytes + RATES.file, 0);
  const sample = sampleFlops({ models: places.map((place) => subject.outlines[place]), columns: 0 }) / RATES.flops;
  const { maxSamples } = settings;
  const shards: PlannedShard[] = [];
  for (let shard = 0; shard < count; shard++) {
    const groups = groupsOf(shard, count).length;
    const inputs = Math.min(FIRST_SAMPLES, maxSamples) + (maxSamples * groups) / GROUPS;
    shards.push({
      index: shard + 1,
      count,
      tiles: groups,
      pairs,
      files: places.length,
      bytes,
      seconds: Number((reading + inputs * sample).toPrecision(3)),
      stateBytes: bytesOfStage(size) + groups * bytesOfGroup(size, maxSamples / GROUPS),
    });
  }
  const { measure, route, backend } = comparison.info;
  return plainly({
    kind: 'shards' as const,
    ...{ models: subject.paths.length, pairs, measure, route, backend, alike: isAlike(subject.outlines) },
    ...{ maxSamples, shards },
  });
}
