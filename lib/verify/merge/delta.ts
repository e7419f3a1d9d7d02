import type { Adapter, AdapterModule } from '../../adapters/adapter.js';
import { readFactors } from '../../adapters/factors.js';
import { Pacer } from '../../cooperate.js';
import { transposed } from '../../tensor/cut.js';

/** What one adapter is to change of a weight. */
export interface Change {
  /** The number of the adapter. */
  readonly adapter: number;
  readonly module: AdapterModule;
}

/**
 * What all adapters together are to change of a weight, ΔW = B A, (outputs, inputs), as the factors of a matrix of the
 * sum of their ranks. It is never multiplied out, but some rows at a time.
 */
export interface Delta {
  readonly outputs: number;
  readonly inputs: number;
  readonly rank: number;
  /** (rank, inputs). */
  readonly a: Float64Array;
  /** (outputs, rank), scales within. */
  readonly b: Float64Array;
  /** The weight is stored as inputs by outputs. */
  readonly turned: boolean;
  /** Which ranks are whose. */
  readonly parts: readonly (Change & { readonly from: number; readonly to: number })[];
}

/** Reads the factors of a change. */
export async function readDelta(
  changes: readonly Change[],
  adapters: readonly Adapter[],
  turned: boolean,
  signal: AbortSignal | undefined,
): Promise<Delta> {
  const [{ module: first }] = changes;
  const { inputs, outputs } = first;
  const rank = changes.reduce((sum, { module }) => sum + module.rank, 0);
  const [a, b] = [new Float64Array(rank * inputs), new Float64Array(outputs * rank)];
  const parts: (Change & { from: number; to: number })[] = [];
  const pacer = new Pacer(signal);
  let from = 0;
  for (const change of changes) {
    const { module, adapter } = change;
    const factors = await readFactors(adapters[adapter], module, signal);
    a.set(factors.a, from * inputs);
    for (let k = 0; k < module.rank; k++) {
      for (let i = 0; i < outputs; i++) b[i * rank + from + k] = module.scale * factors.b[k * outputs + i];
      if (pacer.due(outputs)) await pacer.pause();
    }
    parts.push({ ...change, from, to: from + module.rank });
    from += module.rank;
  }
  return { outputs, inputs, rank, a, b, turned, parts };
}

/** A change that is given (rows, columns) as the weight is stored: left · right, (rows, rank) and (rank, columns). */
export interface StoredDelta {
  readonly rows: number;
  readonly columns: number;
  readonly left: Float64Array;
  readonly right: Float64Array;
  /** Norms of the rows of the left factor, and of the columns of the right one. */
  readonly leftNorms: Float64Array;
  readonly rightNorms: Float64Array;
}

export async function asStored({ outputs, inputs, rank, a, b, turned }: Delta, pacer: Pacer): Promise<StoredDelta> {
  const [rows, columns] = turned ? [inputs, outputs] : [outputs, inputs];
  const left = turned ? await transposed(a, rank, inputs, pacer) : b;
  const right = turned ? await transposed(b, outputs, rank, pacer) : a;
  const [leftNorms, rightNorms] = [new Float64Array(rows), new Float64Array(columns)];
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < rank; k++) leftNorms[i] += left[i * rank + k] ** 2;
    if (pacer.due(rank)) await pacer.pause();
  }
  for (let k = 0; k < rank; k++) {
    for (let j = 0; j < columns; j++) rightNorms[j] += right[k * columns + j] ** 2;
    if (pacer.due(columns)) await pacer.pause();
  }
  return { rows, columns, left, right, leftNorms: leftNorms.map(Math.sqrt), rightNorms: rightNorms.map(Math.sqrt) };
}
