import { basename, dirname, join } from 'node:path';
import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { byteCount, count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { emptyMetadata, nameProblem } from '../entry.js';
import { JsonReader } from '../json_reader.js';
import { SourceFile } from '../source_file.js';
import { openSafetensorsFile, type SafetensorsFile } from './file.js';
import { HEADER_LIMITS } from './header.js';
import { parseMetadata } from './metadata.js';

/** What is accepted of an index, for the reasons given at `HEADER_LIMITS`. */
export const INDEX_LIMITS = {
  bytes: 64 * 1024 * 1024,
  tensors: HEADER_LIMITS.tensors,
  shards: 4096,
  textBytes: 8 * 1024 * 1024,
} as const;

const INDEX_HINT = 'The index is damaged or belongs to other files: download it again together with its shards';

export interface ShardedCheckpoint {
  readonly index: SourceFile;
  /** In order of name. */
  readonly shards: readonly SafetensorsFile[];
  /** Of the index and all shards together. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface ShardIndex {
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensor name to the name of its shard. */
  readonly weightMap: ReadonlyMap<string, string>;
  /** Shard names in order, without repetition. */
  readonly shardNames: readonly string[];
}

/**
 * Opens the index of a sharded checkpoint and every shard it names, which must lie in the same folder. Index and shards
 * must agree to the tensor: one that is missing would be missed, and one that the index does not list means that the
 * index belongs to something else, so that a comparison could silently leave weights out.
 * @throws TensimError `INVALID_FILE`, or `FILE_NOT_FOUND` for an index or shard that is not there
 */
export async function openShards(path: string, signal?: AbortSignal): Promise<ShardedCheckpoint> {
  const index = await SourceFile.open(path);
  const shards: SafetensorsFile[] = [];
  try {
    const { metadata, weightMap, shardNames } = await readIndex(index, signal);
    for (const name of shardNames) shards.push(await openShard(join(dirname(path), name), path, signal));
    checkAgainstIndex(path, shards, weightMap);
    return { index, shards, metadata: mergeMetadata(metadata, shards) };
  } catch (error) {
    await Promise.all([index.close(), ...shards.map((shard) => shard.source.close())]);
    throw error;
  }
}

/**
 * The names of the shards that an index lists, whether they are there or not.
 * @throws TensimError as `openShards` for the index
 */
export async function readShardNames(path: string, signal?: AbortSignal): Promise<readonly string[]> {
  const index = await SourceFile.open(path);
  try {
    return (await readIndex(index, signal)).shardNames;
  } finally {
    await index.close();
  }
}

async function openShard(path: string, index: string, signal?: AbortSignal): Promise<SafetensorsFile> {
  try {
    return await openSafetensorsFile(path, signal);
  } catch (error) {
    if (!(error instanceof TensimError) || error.code !== 'FILE_NOT_FOUND') throw error;
    throw new TensimError('FILE_NOT_FOUND', `this shard cannot be opened; the index ${index} needs it`, {
      file: path,
      hint: 'Put all shards of the checkpoint into the folder of the index',
      cause: error,
    });
  }
}

async function readIndex(source: SourceFile, signal?: AbortSignal): Promise<ShardIndex> {
  if (source.size > INDEX_LIMITS.bytes)
    throw new TensimError(
      'INVALID_FILE',
      `the index has ${byteCount(source.size)}, at most ${byteCount(INDEX_LIMITS.bytes)} are read`,
      { file: source.path, hint: INDEX_HINT },
    );
  const bytes = Buffer.alloc(source.size);
  await source.read(bytes, 0);
  return unhurried(parseIndex(bytes, source.path), signal);
}

function* parseIndex(bytes: Buffer, file: string): Generator<void, ShardIndex> {
  const reader = new JsonReader(bytes, { file, part: 'index', hint: INDEX_HINT }, INDEX_LIMITS.textBytes);
  let metadata: Readonly<Record<string, string>> | undefined;
  let weightMap: Map<string, string> | undefined;
  for (let more = reader.enter('{', 'the index'); more; more = reader.next('}', 'the index')) {
    const key = reader.key('the index');
    if (key === 'metadata' && metadata === undefined) {
      metadata = yield* parseMetadata(reader, '"metadata"', (what) => reader.scalar(what));
    } else if (key === 'weight_map' && weightMap === undefined) {
      weightMap = yield* parseWeightMap(reader);
    } else if (key === 'metadata' || key === 'weight_map') {
      throw reader.errorHere(`the index has "${key}" twice`);
    } else {
      throw reader.errorHere(`the index has the unknown field ${quote(key)}`);
    }
  }
  yield* reader.end('blanks');
  if (weightMap === undefined)
    throw reader.error('the index has no "weight_map", so it is not that of a safetensors checkpoint');
  const shardNames = [...new Set(weightMap.values())].sort();
  if (shardNames.length > INDEX_LIMITS.shards)
    throw reader.error(
      `the index names ${count(shardNames.length)} shards, at most ${count(INDEX_LIMITS.shards)} are read`,
    );
  return { metadata: metadata ?? emptyMetadata(), weightMap, shardNames };
}

function* parseWeightMap(reader: JsonReader): Generator<void, Map<string, string>> {
  const weightMap = new Map<string, string>();
  // One string per shard, shared by all its tensors.
  const shardNames = new Map<string, string>();
  for (let more = reader.enter('{', '"weight_map"'); more; more = reader.next('}', '"weight_map"')) {
    const name = reader.key('"weight_map"');
    const problem = nameProblem(name);
    if (problem !== undefined) throw reader.errorHere(`the tensor name ${quote(name)} ${problem}`);
    reader.tensor = name;
    if (weightMap.has(name)) throw reader.errorHere('the tensor appears twice in "weight_map"');
    if (weightMap.size === INDEX_LIMITS.tensors)
      throw reader.errorHere(`the index lists more than ${count(INDEX_LIMITS.tensors)} tensors, the most that is read`);
    const shard = reader.string('the shard of a tensor');
    if (!shardNames.has(shard)) {
      if (!isShardName(shard))
        throw reader.errorHere(
          `its shard ${quote(shard)} is not the name of a .safetensors file in the folder of the index`,
        );
      shardNames.set(shard, shard);
    }
    weightMap.set(name, shardNames.get(shard) as string);
    reader.tensor = undefined;
    yield;
  }
  return weightMap;
}

/** A plain file name on every system: no folders, drives or streams, nothing invisible. */
function isShardName(name: string): boolean {
  return /^[^/\\:\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,243}\.safetensors$/u.test(name);
}

function checkAgainstIndex(
  path: string,
  shards: readonly SafetensorsFile[],
  weightMap: ReadonlyMap<string, string>,
): void {
  const disagree = (file: string, tensor: string, problem: string) =>
    new TensimError('INVALID_FILE', problem, { file, tensor, hint: INDEX_HINT });
  let found = 0;
  for (const { source, tensors } of shards) {
    for (const name of tensors.keys()) {
      const listed = weightMap.get(name);
      if (listed === undefined) throw disagree(source.path, name, `the index ${path} does not list this tensor`);
      if (listed !== basename(source.path))
        throw disagree(source.path, name, `the index ${path} says that this tensor is in ${listed}`);
    }
    found += tensors.size;
  }
  // Each tensor found is listed for exactly one shard, so equal numbers mean that all were found.
  if (found === weightMap.size) return;
  const shardByName = new Map(shards.map((shard) => [basename(shard.source.path), shard]));
  for (const [name, shard] of weightMap)
    if (!shardByName.get(shard)?.tensors.has(name))
      throw disagree(join(dirname(path), shard), name, `the index ${path} lists a tensor that is not here`);
}

/**
 * The metadata of the index and of all shards. The index decides where it has a say; shards that contradict each other
 * are refused, because a family may read weights by it (a residual scale, say) and either choice could be wrong.
 */
function mergeMetadata(
  ofIndex: Readonly<Record<string, string>>,
  shards: readonly SafetensorsFile[],
): Readonly<Record<string, string>> {
  const merged = emptyMetadata();
  for (const { source, metadata } of shards) {
    for (const [key, value] of Object.entries(metadata)) {
      if (key in ofIndex || !(key in merged) || merged[key] === value) merged[key] ??= value;
      else
        throw new TensimError(
          'INVALID_FILE',
          `its metadata has ${quote(value)} for ${quote(key)}, an earlier shard has ${quote(merged[key])}`,
          { file: source.path, hint: INDEX_HINT },
        );
    }
  }
  return Object.assign(merged, ofIndex);
}
