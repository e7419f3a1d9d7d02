import { availableParallelism } from 'node:os';

import type { DType } from '../lib/tensor/tensor.js';

/** Options of every benchmark that measures instances on backends, for `parseArgs`. */
export const COMMON_OPTIONS = {
  filter: { type: 'string', multiple: true, default: [] as string[] },
  dtype: { type: 'string', multiple: true, default: ['float64', 'float32'] as string[] },
  rounds: { type: 'string', default: '5' },
  threads: { type: 'string', default: String(availableParallelism()) },
  json: { type: 'string' },
} as const;

export interface CommonOptions {
  readonly dtypes: readonly DType[];
  readonly rounds: number;
  readonly threads: number;
  readonly json: string | undefined;
}

interface CommonValues {
  readonly dtype: readonly string[];
  readonly rounds: string;
  readonly threads: string;
  readonly json?: string | undefined;
}

/** @throws Error for a dtype or number that is none. */
export function readCommonOptions({ dtype, rounds, threads, json }: CommonValues): CommonOptions {
  for (const name of dtype) if (name !== 'float64' && name !== 'float32') throw new Error(`there is no dtype ${name}`);
  return {
    dtypes: dtype as DType[],
    rounds: readCount(rounds, 'rounds'),
    threads: readCount(threads, 'threads'),
    json,
  };
}

function readCount(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a positive integer, not ${text}`);
  return value;
}
