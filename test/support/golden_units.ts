import { readFileSync } from 'node:fs';
import type { Layer } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';

type Rows = readonly (readonly number[])[];

/** One side of a pair of test/golden/activations.json. */
interface GoldenModel {
  readonly act: string;
  readonly W: Rows;
  readonly b: readonly number[];
  readonly U?: Rows;
  readonly u?: readonly number[];
  readonly D: Rows;
  readonly c: readonly number[];
  readonly S?: Rows;
}

/** Two networks of one block under N(mean, L Lᵀ), or N(0, I), with their inner products. */
export interface GoldenPair {
  readonly name: string;
  readonly mean?: readonly number[];
  readonly L?: Rows;
  readonly f: GoldenModel;
  readonly g: GoldenModel;
  readonly values: { readonly ff: number; readonly fg: number; readonly gg: number };
  readonly similarity: number;
}

const golden: { readonly models: readonly GoldenPair[]; readonly gated: readonly GoldenPair[] } = JSON.parse(
  readFileSync(new URL('../golden/activations.json', import.meta.url), 'utf8'),
);

export const goldenPairs: readonly GoldenPair[] = [...golden.models, ...golden.gated];

export const matrixTensor = (rows: Rows): Tensor => ({
  data: Float64Array.from(rows.flat()),
  shape: [rows.length, rows[0].length],
});
export const vectorTensor = (values: readonly number[]): Tensor => ({
  data: Float64Array.from(values),
  shape: [values.length],
});

export function goldenLayer({ act, W, b, U, u, D, c, S }: GoldenModel): Layer {
  const around = {
    ...{ activation: act, slope: null, down: matrixTensor(D), downBias: vectorTensor(c), alpha: 0, beta: 1 },
    ...(S && { skip: matrixTensor(S) }),
  };
  if (U === undefined || u === undefined)
    return { type: 'hidden', weight: matrixTensor(W), bias: vectorTensor(b), ...around };
  const sides = { gate: matrixTensor(W), gateBias: vectorTensor(b), up: matrixTensor(U), upBias: vectorTensor(u) };
  return { type: 'gated', ...sides, ...around };
}
