import type { Pacer } from '../../cooperate.js';
import { type MatrixView, rowMajor } from '../../tensor/matrix.js';
import { multiply } from './gemm.js';

/**
 * The product of a chain of matrices, first times second times …, in the order that needs the fewest multiply-adds
 * (the classic dynamic programme over the intervals of the chain). A chain of one is returned as it is.
 */
export async function multiplyChain(matrices: readonly MatrixView[], pacer: Pacer): Promise<MatrixView> {
  const splits = cheapestSplits(matrices);
  const product = async (first: number, last: number): Promise<MatrixView> => {
    if (first === last) return matrices[first];
    const split = splits[first][last];
    const left = await product(first, split);
    const right = await product(split + 1, last);
    return rowMajor(await multiply(left, right, pacer), left.rows, right.columns);
  };
  return product(0, matrices.length - 1);
}

/** For every interval [i, j] of the chain, the k after which it is best cut: (i … k)(k+1 … j). */
function cheapestSplits(matrices: readonly MatrixView[]): readonly (readonly number[])[] {
  const count = matrices.length;
  const cost = matrices.map(() => new Array<number>(count).fill(0));
  const split = matrices.map(() => new Array<number>(count).fill(0));
  for (let length = 2; length <= count; length++) {
    for (let i = 0, j = length - 1; j < count; i++, j++) {
      cost[i][j] = Number.POSITIVE_INFINITY;
      for (let k = i; k < j; k++) {
        const outer = matrices[i].rows * matrices[k].columns * matrices[j].columns;
        const total = cost[i][k] + cost[k + 1][j] + outer;
        if (total >= cost[i][j]) continue;
        cost[i][j] = total;
        split[i][j] = k;
      }
    }
  }
  return split;
}
