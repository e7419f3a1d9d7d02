import type { OpenedFiles } from '../opened_files.js';
import { openSafetensorsFile } from './file.js';
import { openShards } from './shards.js';

/** Opens a safetensors file, or, if the path ends in `.json`, the index of a sharded checkpoint with all its shards. */
export async function openSafetensors(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  if (/\.json$/i.test(path)) {
    const { index, shards, metadata } = await openShards(path, signal);
    return {
      sources: [index, ...shards.map((shard) => shard.source)],
      metadata,
      tensors: shards.length === 1 ? shards[0].tensors : new Map(shards.flatMap((shard) => [...shard.tensors])),
    };
  }
  const { source, metadata, tensors } = await openSafetensorsFile(path, signal);
  return { sources: [source], metadata, tensors };
}
