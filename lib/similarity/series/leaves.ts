import type { SimilarityMatrix } from '../terms/types.js';
import { clusterTree } from './clustering.js';
import { leafOrder } from './leaf_order.js';

/** With fewer models there is nothing to put together. */
const FEWEST = 3;

/** Whether what follows what in a series means anything. */
export function hasOrder({ order, labels }: Pick<SimilarityMatrix, 'order' | 'labels'>): boolean {
  return (order?.by !== 'none' && order?.by !== 'set') || labels.length < 2;
}

/** Whether models are a set that is put together by likeness: a few at least, of which every pair was compared. */
export function isClustered(matrix: Pick<SimilarityMatrix, 'order' | 'labels' | 'cosine'>): boolean {
  const isWhole = () => !matrix.cosine.some((row) => row.some(Number.isNaN));
  return !hasOrder(matrix) && matrix.labels.length >= FEWEST && isWhole();
}

/** What a set knows besides its similarities: `leaves`. */
export async function leavesOf(
  matrix: Pick<SimilarityMatrix, 'order' | 'labels' | 'cosine'>,
  signal?: AbortSignal,
): Promise<Pick<SimilarityMatrix, 'leaves'>> {
  if (!isClustered(matrix)) return {};
  const { cosine } = matrix;
  return { leaves: await leafOrder(cosine, await clusterTree(cosine, signal), { signal }) };
}
