import { TensimError } from '../errors.js';
import type { ShardChoice } from './terms.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** A shard as it is written: `3/8`. Undefined for what is none. */
export function parseShard(text: string): ShardChoice | undefined {
  const [, index, count] = /^\s*(\d{1,6})\s*\/\s*(\d{1,6})\s*$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  return shard.index >= 1 && shard.index <= shard.count ? shard : undefined;
}

/**
 * The shard that a scheduler has started this process for: `TENSIM_SHARD` as `3/8`; a Slurm array, counted from wherever
 * it begins; an indexed job of Kubernetes, which says its number but not how many there are: that is `TENSIM_SHARDS`.
 * @throws TensimError `INVALID_ARGUMENT` where nothing says so, or what says so makes no sense.
 */
export function shardFromEnvironment(env: Environment): ShardChoice {
  const { TENSIM_SHARD, SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX } = env;
  if (TENSIM_SHARD !== undefined) {
    const shard = parseShard(TENSIM_SHARD);
    if (shard !== undefined) return shard;
    throw wrong(`TENSIM_SHARD is "${TENSIM_SHARD}"`, 'it must be as 3/8: which, from 1, of how many');
  }
  if (SLURM_ARRAY_TASK_ID !== undefined) return slurmShard(env);
  if (JOB_COMPLETION_INDEX !== undefined) {
    const index = whole(env, 'JOB_COMPLETION_INDEX');
    const from = env.TENSIM_SHARDS === undefined ? 'JOB_COMPLETIONS' : 'TENSIM_SHARDS';
    if (env[from] === undefined) {
      throw wrong(
        'JOB_COMPLETION_INDEX is set, and nothing says of how many',
        'Kubernetes does not tell a pod how many completions its job has',
        'Set TENSIM_SHARDS to the completions of the job, in the env of the container',
      );
    }
    return within(index + 1, whole(env, from), `JOB_COMPLETION_INDEX is ${index} and ${from} ${env[from]}`);
  }
  throw wrong(
    'nothing in the environment says which shard this is',
    'it is told by TENSIM_SHARD, SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX',
    'Start it as a task of a Slurm array or an indexed job of Kubernetes, or say --shard 3/8',
  );
}

/** An array `0-7` or `1-8`, or any other run of numbers without gaps. */
function slurmShard(env: Environment): ShardChoice {
  const least = whole(env, 'SLURM_ARRAY_TASK_MIN');
  const most = whole(env, 'SLURM_ARRAY_TASK_MAX');
  const count = whole(env, 'SLURM_ARRAY_TASK_COUNT');
  const id = whole(env, 'SLURM_ARRAY_TASK_ID');
  if (most - least + 1 !== count) {
    throw wrong(
      `the Slurm array has ${count} tasks from ${least} to ${most}, with gaps between`,
      'a task cannot tell from that which shard it is',
      'Submit an array such as 1-8; to run some shards of it again, say TENSIM_SHARD=$SLURM_ARRAY_TASK_ID/8',
    );
  }
  return within(id - least + 1, count, `SLURM_ARRAY_TASK_ID is ${id}, of ${least} to ${most}`);
}

function within(index: number, count: number, what: string): ShardChoice {
  if (index >= 1 && index <= count) return { index, count };
  throw wrong(what, 'that is none of the shards');
}

function whole(env: Environment, name: string): number {
  const text = env[name] ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw wrong(`${name} is ${text === '' ? 'not set' : `"${text}"`}`, 'it must be a whole number');
}

function wrong(what: string, reason: string, hint?: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', what, { reason, ...(hint !== undefined && { hint }) });
}
