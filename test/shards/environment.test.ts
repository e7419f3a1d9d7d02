import { describe, expect, it } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { parseShard, shardFromEnvironment } from '../../lib/shards/environment.js';

describe('a shard that a scheduler has started', () => {
  const slurm = (id: number, least: number, most: number, count = most - least + 1) => ({
    SLURM_ARRAY_TASK_ID: String(id),
    SLURM_ARRAY_TASK_MIN: String(least),
    SLURM_ARRAY_TASK_MAX: String(most),
    SLURM_ARRAY_TASK_COUNT: String(count),
  });

  it.each([
    [{ TENSIM_SHARD: '3/8' }, 3, 8],
    [slurm(0, 0, 7), 1, 8],
    [slurm(7, 0, 7), 8, 8],
    [slurm(1, 1, 8), 1, 8],
    [slurm(12, 10, 13), 3, 4],
    [{ JOB_COMPLETION_INDEX: '0', TENSIM_SHARDS: '4' }, 1, 4],
    [{ JOB_COMPLETION_INDEX: '3', JOB_COMPLETIONS: '4' }, 4, 4],
    [{ TENSIM_SHARD: '1/2', ...slurm(3, 1, 4) }, 1, 2],
  ])('is known from %j', (env, index, count) => {
    expect(shardFromEnvironment(env)).toEqual({ index, count });
  });

  it.each([
    [{}, 'nothing in the environment'],
    [{ TENSIM_SHARD: '9/8' }, 'TENSIM_SHARD is "9/8"'],
    [{ TENSIM_SHARD: '' }, 'TENSIM_SHARD'],
    [slurm(5, 1, 9, 3), 'with gaps'],
    [slurm(9, 1, 8), 'none of the shards'],
    [{ SLURM_ARRAY_TASK_ID: '3' }, 'SLURM_ARRAY_TASK_MIN is not set'],
    [{ JOB_COMPLETION_INDEX: '0' }, 'TENSIM_SHARDS'],
    [{ JOB_COMPLETION_INDEX: '4', TENSIM_SHARDS: '4' }, 'none of the shards'],
  ])('is refused with a reason from %j', (env, words) => {
    expect(() => shardFromEnvironment(env)).toThrow(TensimError);
    expect(() => shardFromEnvironment(env)).toThrow(words);
  });

  it('is written as 3/8', () => {
    expect(parseShard('3/8')).toEqual({ index: 3, count: 8 });
    for (const text of ['0/8', '9/8', '3', '3/0', '-1/8', 'a/8', '3/8/2']) expect(parseShard(text)).toBeUndefined();
  });
});
