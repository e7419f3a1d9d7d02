import type { BackendWith } from '../../backend/backend.js';
import { contractAsPart } from '../../contraction/running/contract.js';
import type { Tensor } from '../../tensor/tensor.js';

/** A double-precision tensor in row-major order. */
export interface Dense extends Tensor {
  readonly data: Float64Array;
}

/** What the computations of an explanation run on. */
export interface Engine {
  readonly backend: BackendWith<'contractions' | 'eigen' | 'forms'>;
  readonly signal: AbortSignal | undefined;
  readonly threads: number | undefined;
}

/** A contraction on the engine's backend, in double precision. */
export async function einsum(equation: string, operands: readonly Tensor[], engine: Engine): Promise<Dense> {
  const { backend, signal, threads } = engine;
  const result = await contractAsPart(equation, operands, { backend: backend.name, signal, threads, dtype: 'float64' });
  return result as Dense;
}

export function dense(data: Float64Array, ...shape: number[]): Dense {
  return { data, shape };
}

/** Rows `from` … `to − 1` along the first axis. */
export function rowsOf({ data, shape }: Dense, from: number, to: number): Dense {
  const [, ...rest] = shape;
  const size = rest.reduce((product, extent) => product * extent, 1);
  return { data: data.subarray(from * size, to * size), shape: [to - from, ...rest] };
}

/** The rows with these numbers. */
export function gatherRows({ data, shape }: Dense, numbers: readonly number[]): Dense {
  const width = shape[1];
  const rows = new Float64Array(numbers.length * width);
  for (const [to, from] of numbers.entries()) rows.set(data.subarray(from * width, (from + 1) * width), to * width);
  return dense(rows, numbers.length, width);
}
