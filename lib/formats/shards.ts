import { basename, dirname, join } from 'node:path';
import { unhurried } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { byteCount, count } from '../words/counts.js';
import { quote } from '../words/quoting.js';
import { formatOf } from './endings.js';
import { emptyMetadata, LISTING_LIMITS, nameProblem } from './entry.js';
import { JsonReader } from './json_reader.js';
import { lookAlike } from './look_alike.js';
import type { OpenedFiles } from './opened_files.js';
import { parseMetadata, type ValueReader } from './safetensors/metadata.js';
import { SourceFile } from './source_file.js';

/** What is accepted of an index, for the reasons given at `LISTING_LIMITS`. */
export const INDEX_LIMITS = {
  bytes: 64 * 1024 * 1024,
  tensors: LISTING_LIMITS.tensors,
  shards: 4096,
  textBytes: 8 * 1024 * 1024,
} as const;

const OPENING = 0x7b;

const INDEX_HINT = 'The index is damaged or belongs to other files: download it again together with its shards';

/** Opens one shard. */
type OpenShard = (path: string, signal?: AbortSignal) => Promise<OpenedFiles>;

interface Shard extends OpenedFiles {
  readonly path: string;
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
export async function openShards(path: string, open: OpenShard, signal?: AbortSignal): Promise<OpenedFiles> {
  const index = await SourceFile.open(path);
  const shards: Shard[] = [];
  try {
    const { metadata, weightMap, shardNames } = await readIndex(index, signal);
    for (const name of shardNames) shards.push(await openShard(join(dirname(path), name), path, open, signal));
    checkAgainstIndex(path, shards, weightMap);
    return {
      sources: [index, ...shards.flatMap(({ sources }) => sources)],
      metadata: mergeMetadata(metadata, shards),
      tensors: shards.length === 1 ? shards[0].tensors : new Map(shards.flatMap(({ tensors }) => [...tensors])),
    };
  } catch (error) {
    const sources = [index, ...shards.flatMap((shard) => shard.sources)];
    let blamed: unknown = error;
    for (const source of sources) blamed = await source.blamed(blamed);
    await Promise.all(sources.map((source) => source.close()));
    throw blamed;
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

async function openShard(path: string, index: string, open: OpenShard, signal?: AbortSignal): Promise<Shard> {
  try {
    return { path, ...(await open(path, signal)) };
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
  const hint = bytes[0] === OPENING ? INDEX_HINT : (lookAlike(bytes.subarray(0, 64)) ?? INDEX_HINT);
  const reader = new JsonReader(bytes, { file, part: 'index', hint }, INDEX_LIMITS.textBytes);
  let metadata: Readonly<Record<string, string>> | undefined;
  let weightMap: Map<string, string> | undefined;
  for (let more = reader.enter('{', 'the index'); more; more = reader.next('}', 'the index')) {
    const key = reader.key('the index');
    if (key === 'metadata' && metadata === undefined) {
      metadata = reader.nothing() ? emptyMetadata() : yield* parseMetadata(reader, '"metadata"', ANYTHING);
    } else if (key === 'weight_map' && weightMap === undefined) {
      weightMap = yield* parseWeightMap(reader, file);
    } else if (key === 'metadata' || key === 'weight_map') {
      throw reader.errorHere(`the index has "${key}" twice`);
    } else {
      // Fields of other programs, of no use here.
      yield* reader.value(quote(key));
    }
  }
  yield* reader.end('blanks');
  if (weightMap === undefined)
    throw reader.error('the index has no "weight_map", so it is not that of a sharded checkpoint');
  const shardNames = [...new Set(weightMap.values())].sort();
  if (shardNames.length > INDEX_LIMITS.shards)
    throw reader.error(
      `the index names ${count(shardNames.length)} shards, at most ${count(INDEX_LIMITS.shards)} are read`,
    );
  return { metadata: metadata ?? emptyMetadata(), weightMap, shardNames };
}

const ANYTHING: ValueReader = (reader, what) => reader.value(what);

function* parseWeightMap(reader: JsonReader, index: string): Generator<void, Map<string, string>> {
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
      if (!isShardName(shard, index))
        throw reader.errorHere(
          `its shard ${quote(shard)} is not the name of a ${formatOf(index) === 'pytorch' ? '.bin' : '.safetensors'} file in the folder of the index`,
        );
      shardNames.set(shard, shard);
    }
    weightMap.set(name, shardNames.get(shard) as string);
    reader.tensor = undefined;
    yield;
  }
  return weightMap;
}

/** A plain file name on every system, of the format of the index: no folders, drives or streams, nothing invisible. */
function isShardName(name: string, index: string): boolean {
  const ending = formatOf(index) === 'pytorch' ? PYTORCH : SAFETENSORS;
  return ending.test(name) && /^[^/\\:\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,255}$/u.test(name);
}

const SAFETENSORS = /.\.safetensors$/;
const PYTORCH = /.\.(?:bin|pt|pth)$/;

function checkAgainstIndex(path: string, shards: readonly Shard[], weightMap: ReadonlyMap<string, string>): void {
  const disagree = (file: string, tensor: string, problem: string) =>
    new TensimError('INVALID_FILE', problem, { file, tensor, hint: INDEX_HINT });
  let found = 0;
  for (const { path: shard, tensors } of shards) {
    for (const name of tensors.keys()) {
      const listed = weightMap.get(name);
      if (listed === undefined) throw disagree(shard, name, `the index ${path} does not list this tensor`);
      if (listed !== basename(shard))
        throw disagree(shard, name, `the index ${path} says that this tensor is in ${listed}`);
    }
    found += tensors.size;
  }
  // Each tensor found is listed for exactly one shard, so equal numbers mean that all were found.
  if (found === weightMap.size) return;
  const shardByName = new Map(shards.map((shard) => [basename(shard.path), shard]));
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
  shards: readonly Shard[],
): Readonly<Record<string, string>> {
  const merged = emptyMetadata();
  for (const { path, metadata } of shards) {
    for (const [key, value] of Object.entries(metadata)) {
      if (key in ofIndex || !(key in merged) || merged[key] === value) merged[key] ??= value;
      else
        throw new TensimError(
          'INVALID_FILE',
          `its metadata has ${quote(value)} for ${quote(key)}, an earlier shard has ${quote(merged[key])}`,
          { file: path, hint: INDEX_HINT },
        );
    }
  }
  return Object.assign(merged, ofIndex);
}
