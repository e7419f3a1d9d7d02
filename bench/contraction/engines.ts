import { type CompiledContraction, compileContraction, type PathInfo, type Strategy } from '../../lib/index.js';
import type { DType, Tensor } from '../../lib/tensor/tensor.js';
import { fillPseudoRandom, relativeDifference } from '../support.js';
import { timeCalls } from '../turns.js';
import type { Contestant } from './contestant.js';
import { type Instance, shapesOf } from './instances.js';

export type Engine = 'native' | 'fallback';

/** An execution of ours: planned once, before it is measured. */
export interface OwnContestant extends Contestant {
  readonly engine: Engine;
  readonly path: PathInfo;
  run(): Promise<Tensor>;
}

const STRATEGIES: readonly Strategy[] = ['blocked', 'ttgt', 'loops'];
/** Flops per second that may be hoped for at least; they say what is affordable, and nothing else. */
const HOPED: Record<Engine, Record<Strategy, number>> = {
  native: { blocked: 10e9, ttgt: 10e9, loops: 0.7e9 },
  fallback: { blocked: 2e9, ttgt: 2e9, loops: 0.12e9 },
};
/** Seconds that a single call may take. */
const AFFORDABLE = 1.2;

/** The operands of an instance, the same in every run. */
export function operandsOf(instance: Instance, dtype: DType): Tensor[] {
  return shapesOf(instance).map((shape, i) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const data = dtype === 'float64' ? new Float64Array(size) : new Float32Array(size);
    return { data: fillPseudoRandom(data, i + 1), shape };
  });
}

/** Our affordable executions of an instance: every strategy on every engine, the best one first. */
export function ownContestants(
  instance: Instance,
  operands: readonly Tensor[],
  dtype: DType,
  engines: readonly Engine[],
  threads: number,
): OwnContestant[] {
  const found: OwnContestant[] = [];
  for (const backend of engines) {
    for (const strategy of STRATEGIES) {
      const compiled = compileContraction(instance.equation, shapesOf(instance), {
        backend,
        strategy,
        dtype,
        threads,
      });
      const { flops, steps } = compiled.path;
      // Strategies differ in products alone.
      const products = steps.some(({ kernel }) => kernel === 'gemm' || kernel === 'small' || kernel === 'gemv');
      if (strategy !== 'blocked' && !products) continue;
      if (flops / HOPED[backend][strategy] > AFFORDABLE) continue;
      found.push(ownContestant(backend, strategy, compiled, operands, threads));
    }
  }
  return found;
}

export function ownContestant(
  engine: Engine,
  method: string,
  compiled: CompiledContraction,
  operands: readonly Tensor[],
  threads: number,
): OwnContestant {
  const control = { threads };
  const run = () => compiled.run(operands, control);
  return {
    engine,
    method,
    path: compiled.path,
    run,
    check: async (expected) => relativeDifference((await run()).data, expected),
    time: (seconds) => timeCalls(run, seconds),
  };
}
