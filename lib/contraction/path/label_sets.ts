import type { Network } from '../network.js';

/**
 * Sets of labels as bits, `words` 32-bit words each, kept one after the other in an array. The product of the sizes of
 * a set is read from one table per byte, so that it costs a few multiplications however many labels there are.
 */
export interface LabelSets {
  readonly words: number;
  /** 256 products per byte of a set. */
  readonly tables: Float64Array;
  /** The set of each leaf, then the set of the output. */
  readonly sets: Uint32Array;
}

/** Half a millisecond. */
const LABELS_PER_PAUSE = 1024;

/** Pauses now and then: many labels have large tables. */
export function* labelSets(network: Network): Generator<void, LabelSets> {
  const used = [...new Set(network.leaves.flat())];
  const bitOf = new Map(used.map((label, bit) => [label, bit]));
  const words = Math.max(1, Math.ceil(used.length / 32));
  const tables = new Float64Array(words * 4 * 256).fill(1);
  for (let bit = 0; bit < used.length; bit++) {
    if (bit % LABELS_PER_PAUSE === 0) yield;
    const table = (bit >> 3) * 256;
    const flag = 1 << (bit & 7);
    for (let entry = 0; entry < 256; entry++) if (entry & flag) tables[table + entry] *= network.sizes[used[bit]];
  }
  const sets = new Uint32Array((network.leaves.length + 1) * words);
  for (const [i, labels] of [...network.leaves, network.output].entries()) {
    for (const label of labels) {
      const bit = bitOf.get(label);
      if (bit !== undefined) sets[i * words + (bit >> 5)] |= 1 << (bit & 31);
    }
  }
  return { words, tables, sets };
}

/** The product of the sizes of the labels in one word of a set, `word` its place in the set. */
export function wordProduct(tables: Float64Array, word: number, bits: number): number {
  const at = word * 1024;
  return (
    tables[at + (bits & 255)] *
    tables[at + 256 + ((bits >>> 8) & 255)] *
    tables[at + 512 + ((bits >>> 16) & 255)] *
    tables[at + 768 + (bits >>> 24)]
  );
}
