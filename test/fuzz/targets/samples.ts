import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeShards } from '../../../lib/shards/merge.js';
import { matrixShard } from '../../../lib/shards/shard.js';
import { bilinearShapes } from '../../model/helpers.js';
import type { Random } from '../../support/random.js';
import type { Mutate, Reader, Target } from '../engine/target.js';
import { chance, pick } from '../mutation/bytes.js';
import { fewerRecords, mutateState, payloadsOf, SAMPLED, stateFile } from '../mutation/state.js';
import { accepted, checkpointOf } from './files.js';

const VALUES: readonly unknown[] = [0, 1, -1, 2, 31, 32, 0.5, 2 ** 31, 2 ** 53, 1e300, null, 'x', [], {}, true];

/** One field of the JSON of a record, wherever it stands, with the length of the JSON put right. */
const fieldChanged: Mutate = (bytes, random) => {
  const payloads = payloadsOf(Buffer.from(bytes), SAMPLED);
  if (payloads.length === 0) return bytes;
  const at = random.integer(0, payloads.length - 1);
  const payload = payloads[at];
  const end = payload.length < 5 ? 0 : 5 + payload.readUInt32LE(1);
  try {
    const text = Buffer.from(JSON.stringify(changed(JSON.parse(payload.toString('utf8', 5, end)), random)));
    const head = Buffer.from(payload.subarray(0, 5));
    head.writeUInt32LE(text.length, 1);
    payloads[at] = Buffer.concat([head, text, payload.subarray(end)]);
  } catch {
    return bytes;
  }
  return stateFile(payloads, SAMPLED);
};

function changed(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || chance(random, 0.2)) return pick(random, VALUES);
  const names = Object.keys(value);
  if (names.length === 0) return pick(random, VALUES);
  const name = pick(random, names);
  const copy = structuredClone(value) as Record<string, unknown>;
  if (chance(random, 0.1)) delete copy[name];
  else copy[name] = changed(copy[name], random);
  return copy;
}

export const readsSamples: Target = {
  name: 'samples',
  about: 'state files of sampled matrices in shards, with checks that are right',
  mutate: (bytes, random, other) =>
    chance(random, 0.5) ? fieldChanged(bytes, random, other) : mutateState(bytes, random, other, SAMPLED),
  simplify: (bytes) => fewerRecords(bytes, SAMPLED),
  async prepare(folder) {
    const paths = ['a', 'b'].map((name) => join(folder, `${name}.safetensors`));
    const types = ['F32', 'BF16'] as const;
    for (const [at, path] of paths.entries()) writeFileSync(path, checkpointOf(bilinearShapes(), {}, types[at]));
    const state = join(folder, 'part.state');
    const options = { method: 'sampled', maxSamples: 1024, tolerance: 0.5, threads: 1, backend: 'fallback' } as const;
    const go = (count = 1) => matrixShard(paths, { ...options, shard: { index: 1, count }, state });
    const seeds: Uint8Array[] = [stateFile([], SAMPLED), Buffer.alloc(0)];
    for (const count of [1, 8]) {
      rmSync(state, { force: true });
      await go(count);
      seeds.push(readFileSync(state));
    }
    const read: Reader = async (bytes, thorough) => {
      writeFileSync(state, bytes);
      if (thorough) await go().catch(refused);
      const { result } = await mergeShards([state]);
      return accepted(JSON.stringify(result.gram));
    };
    return { seeds, read };
  },
};

/** What a part cannot go on from may be refused, and is read all the same. */
function refused(error: unknown): void {
  if (!(error instanceof Error && error.name === 'TensimError')) throw error;
}
