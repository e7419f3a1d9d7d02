import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import type { KeptOutputs } from '../../backend/forward.js';
import type { PreparedModel } from '../../backend/grams.js';
import type { BatchSums } from './batch.js';
import type { Draw } from './draws.js';
import { type Ensemble, LIGHT, relativePowers } from './ensemble.js';

/** The memory of a backend that outputs can stay in until they are multiplied there; null where there is none. */
export function keptBy({ forward, grams }: BackendWith<'forward' | 'grams'>): KeptOutputs | null {
  return forward.kept?.grams === grams ? forward.kept : null;
}

/** Whether the outputs on inputs of these weights can stay there: where none is dropped (`dropOverflown`). */
export function canBeKept(weights: Float64Array | null): boolean {
  return weights === null || weights.every((weight) => weight >= LIGHT);
}

/** The sums of a batch whose outputs stay where the backend has its memory. */
export async function keptSums(
  kept: KeptOutputs,
  ensemble: Ensemble,
  { inputs, count, weights }: Draw,
  pairs: readonly (readonly [number, number])[],
  perOutput: boolean,
  control: Control,
): Promise<BatchSums> {
  const { count: models, positions, outputs } = ensemble;
  const keeping = { roots: weights === null ? null : weights.map(Math.sqrt), perOutput };
  const functions: PreparedModel[] = [];
  try {
    for (let m = 0; m < models; m++) functions.push(await ensemble.keep(m, inputs, keeping, control));
    const exponents = functions.map((_, m) => ensemble.exponent(m));
    if (models === 2) {
      const [x, y] = relativePowers(exponents[0], exponents[1]);
      functions.push(await kept.combine(functions[0], x, functions[1], -y, control));
    }
    const job = { measure: 'gaussian', symmetric: true, perOutput } as const;
    const tile = await kept.grams.tile(job, functions, functions, control);
    const wanted = [...exponents.map((_, m) => [m, m] as const), ...pairs];
    const added = await kept.products(functions, wanted, { count, positions, outputs }, perOutput, control);
    const parts = perOutput ? outputs : 1;
    const slices = perOutput ? 1 + outputs : 1;
    /** What sample s adds to a product, in all and, if that is wanted, per output. */
    const read = (product: number, s: number, into: Float64Array, at: number) => {
      const from = (product * count + s) * parts;
      let sum = 0;
      for (let c = 0; c < parts; c++) sum += added[from + c];
      into[at] = sum;
      for (let c = 1; c < slices; c++) into[at + c] = added[from + c - 1];
    };
    return {
      count,
      lost: 0,
      exponents,
      tile,
      products: {
        count,
        width: parts,
        squares(s, into) {
          for (let m = 0; m < models; m++) read(m, s, into, m * slices);
        },
        product: (s, pair, into) => read(models + pair, s, into, 0),
      },
    };
  } finally {
    for (const outputs of functions) outputs.dispose();
  }
}
