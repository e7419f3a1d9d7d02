// What the programs of this folder share. They check the CUDA backend on a device (scripts/device), with more models and
// more time than a suite has; with TENSIM_DEVICE_SMALL=1 on few small ones, for a library whose device is the host.
import { createHash } from 'node:crypto';
import type { MatrixOptions, Model, SimilarityMatrix } from '../../lib/index.js';
import { createModel, similarityMatrix, tensor } from '../../lib/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { type Random, random } from '../support/random.js';

export const SMALL = process.env.TENSIM_DEVICE_SMALL === '1';

export type Gram = SimilarityMatrix['gram'];
/** What a matrix is computed by, but who computes. */
export type By = Omit<MatrixOptions, 'rows' | 'columns' | 'reference' | 'window' | 'backend'>;

/** Numbers between −½ and ½ times the scale: a million of them take no time. */
export function matrixOf(draw: Random, rows: number, columns: number, scale = 1): Tensor {
  const data = Float64Array.from({ length: rows * columns }, () => scale * (draw.uniform() - 0.5));
  return tensor(data, [rows, columns]);
}

/** A bilinear block. */
export function block(draw: Random, inputs: number, units: number, outputs: number, biased = true): Model {
  const scale = 2 / Math.sqrt(inputs);
  const leftBias = biased ? { leftBias: tensor(matrixOf(draw, units, 1).data, [units]) } : {};
  const [left, right] = [matrixOf(draw, units, inputs, scale), matrixOf(draw, units, inputs, scale)];
  return createModel({
    layers: [{ type: 'bilinear', left, right, down: matrixOf(draw, outputs, units), ...leftBias }],
  });
}

export const blocks = (count: number, seed: number, inputs: number, units: number, outputs: number): Model[] => {
  const draw = random(seed);
  return Array.from({ length: count }, () => block(draw, inputs, units, outputs));
};

/** Equal for matrices of the same bits. */
export function digest(gram: Gram): string {
  const hash = createHash('sha256');
  for (const row of gram) hash.update(new Uint8Array(Float64Array.from(row).buffer));
  return hash.digest('hex');
}

/** The largest difference of two Gram matrices in units of the norms; NaN stays. */
export function distance(found: Gram, wanted: Gram): number {
  let most = 0;
  for (const [i, row] of wanted.entries())
    for (const [j, value] of row.entries()) {
      const difference = Math.abs(found[i][j] - value) / Math.sqrt(wanted[i][i] * wanted[j][j]);
      if (!(difference <= most)) most = difference;
    }
  return most;
}

export const onDevice = (models: readonly Model[], by: By = {}): Promise<SimilarityMatrix> =>
  similarityMatrix(models, { ...by, backend: 'cuda' });

export const messageOf = (error: unknown): string =>
  error instanceof Error ? `${(error as { code?: string }).code ?? error.name}: ${error.message}` : String(error);

/** Counts what holds and what does not, and says it line by line. */
export class Checks {
  #passed = 0;
  #failed = 0;

  check(holds: boolean, what: string): void {
    if (holds) this.#passed++;
    else this.#failed++;
    console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  }

  /** The same for work that may throw. */
  async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.check(false, `${what}: ${messageOf(error)}`);
    }
  }

  finish(name: string): never {
    console.log(`SUMMARY ${name}: ${this.#passed} passed, ${this.#failed} failed`);
    process.exit(this.#failed === 0 && this.#passed > 0 ? 0 : 1);
  }
}
