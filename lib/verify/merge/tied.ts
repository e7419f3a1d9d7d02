import type { StampedCheckpoint, TensorEntry } from '../../formats/checkpoint.js';
import { isFloatFormat } from '../../tensor/convert.js';
import { AT_ONCE, type TensorRows } from './rows.js';

/** What output matrices are called, and embeddings that serve for them. */
const UNEMBEDDING = /(?:^|\.)(?:lm_head|embed_out|output)\.weight$/;
const EMBEDDING = /(?:^|\.)(?:\w*embed\w*|wte|tok_embeddings|token_embd|word_embeddings)\.weight$/;

/** Which of these tensors are output matrices of the same numbers as the embedding, by whose name. */
export async function sameTensors(
  entries: readonly TensorEntry[],
  checkpoint: StampedCheckpoint,
  rows: TensorRows,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of entries) {
    if (!UNEMBEDDING.test(entry.name) || !isFloatFormat(entry.dtype)) continue;
    for (const other of checkpoint.tensors.values()) {
      const isAlike = other.shape.join() === entry.shape.join() && isFloatFormat(other.dtype);
      if (!EMBEDDING.test(other.name) || other.name === entry.name || !isAlike) continue;
      if (await isSame(entry, other, rows)) found.set(entry.name, other.name);
    }
  }
  return found;
}

async function isSame(one: TensorEntry, other: TensorEntry, rows: TensorRows): Promise<boolean> {
  const size = one.shape.reduce((product, extent) => product * extent, 1);
  for (let from = 0; from < size; from += AT_ONCE) {
    const to = Math.min(size, from + AT_ONCE);
    const [a, b] = [await rows.read(one, from, to), await rows.read(other, from, to)];
    if (a.some((value, i) => value !== b[i])) return false;
  }
  return true;
}
