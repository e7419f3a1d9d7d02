import type { BackendWith } from '../../lib/backend/backend.js';
import type { ChainMethod } from '../../lib/backend/grams.js';
import type { DType, TensorData } from '../../lib/tensor/tensor.js';
import { fillPseudoRandom } from '../support.js';
import { forwardFlops, pairFlops } from './flops.js';
import { chainOf, type Instance, inputShape, layersOf } from './instances.js';

/** One thing to measure on every backend. */
export interface Task {
  readonly instance: string;
  /** The method of a pair, or what is evaluated. */
  readonly what: ChainMethod | 'vectors' | 'tokens';
  /** Of one unit: a pair of networks, or an input. */
  readonly unit: 'pair' | 'input';
  readonly flops: number;
  /**
   * Does all that is done once per network, self terms included. `affordable` flops are about what a call of `run`
   * should take.
   */
  prepare(
    backend: BackendWith<'grams' | 'forward'>,
    dtype: DType,
    threads: number,
    affordable: number,
  ): Promise<PreparedTask>;
}

export interface PreparedTask {
  /** Units computed by one call of `run`. */
  readonly units: number;
  run(threads: number): Promise<unknown>;
  /** A sample of the results, for comparing backends. */
  check(): Promise<TensorData>;
  dispose(): void;
}

/** A pair by every method of the instance; then a forward pass, which is what sampling costs per model and sample. */
export function tasksOf(instance: Instance): Task[] {
  const inputs = instance.shape.family === 'attention' ? (['vectors', 'tokens'] as const) : (['vectors'] as const);
  return [
    ...instance.methods.map((method) => pairTask(instance, method)),
    ...inputs.map((input) => forwardTask(instance, input)),
  ];
}

function pairTask({ name, shape }: Instance, method: ChainMethod): Task {
  const measure = method === 'tensor' ? 'tensor' : 'gaussian';
  return {
    instance: name,
    what: method,
    unit: 'pair',
    flops: pairFlops(shape, method),
    async prepare(backend, dtype, threads) {
      const a = await backend.grams.prepare(chainOf(shape, method, 1), dtype, { threads });
      const b = await backend.grams.prepare(chainOf(shape, method, 2), dtype, { threads });
      return {
        units: 1,
        run: (threads) => backend.grams.tile({ measure, symmetric: false, perOutput: false }, [a], [b], { threads }),
        async check() {
          const job = { measure, symmetric: true, perOutput: false } as const;
          return (await backend.grams.tile(job, [a, b], [a, b], { threads })).total;
        },
        dispose() {
          a.dispose();
          b.dispose();
        },
      };
    },
  };
}

/** Inputs of one call at the most. */
const LARGEST_BATCH = 4096;

function forwardTask({ name, shape }: Instance, input: 'vectors' | 'tokens'): Task {
  const flops = forwardFlops(shape, input);
  const [positions, features] = inputShape(shape);
  return {
    instance: name,
    what: input,
    unit: 'input',
    flops,
    async prepare(backend, dtype, threads, affordable) {
      const source = { layers: layersOf(shape, 1), positions, features, input };
      const pass = await backend.forward.prepare(source, dtype, { threads });
      const units = Math.max(1, Math.min(LARGEST_BATCH, Math.round(affordable / flops)));
      const numbers = units * positions * (input === 'tokens' ? 1 : features);
      const drawn = fillPseudoRandom(dtype === 'float64' ? new Float64Array(numbers) : new Float32Array(numbers), 3);
      const inputs = input === 'tokens' ? Int32Array.from(drawn, (x) => Math.floor((x + 0.5) * features)) : drawn;
      return {
        units,
        run: (threads) => pass.evaluate(inputs, { threads }),
        check: () => pass.evaluate(inputs.slice(0, numbers / units), { threads }),
        dispose: () => pass.dispose(),
      };
    },
  };
}
