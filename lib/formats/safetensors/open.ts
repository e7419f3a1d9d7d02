import type { OpenedFiles } from '../opened_files.js';
import { openShards } from '../shards.js';
import { openSafetensorsFile } from './file.js';

/** Opens a safetensors file, or, if the path ends in `.json`, the index of a sharded checkpoint with all its shards. */
export async function openSafetensors(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  if (/\.json$/i.test(path)) return openShards(path, openFile, signal);
  return openFile(path, signal);
}

async function openFile(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  const { source, metadata, tensors } = await openSafetensorsFile(path, signal);
  return { sources: [source], metadata, tensors };
}
