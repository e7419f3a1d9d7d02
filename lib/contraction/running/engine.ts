import type { DType } from '../../tensor/tensor.js';
import { costModel, type Machine } from '../cost.js';
import type { Equation } from '../equation.js';
import { contiguousLayout } from '../layout.js';
import { lowerPlan } from '../lower.js';
import { type SimplifiedNetwork, simplifySteps } from '../network.js';
import { findTree } from '../path/find.js';
import type { ContractionPlan, OperandLayout } from '../plan.js';
import { type Chunks, type Execution, estimate } from '../schedule.js';
import { chooseSlices } from '../slicing.js';
import { scheduleTree, type Tree } from '../tree.js';
import type { PlanOptions } from './options.js';

/** An equation with everything decided but the layout of its operands. */
export interface Prepared {
  readonly equation: Equation;
  readonly execution: Execution;
  readonly chunks: Chunks;
  readonly dtype: DType;
  /** Predicted. */
  readonly seconds: number;
}

const ITEM_BYTES = { float64: 8, float32: 4 } as const;

/** The tree of an equation by the search asked for. Pauses every few milliseconds. */
export function* searchTree(
  equation: Equation,
  network: SimplifiedNetwork,
  machine: Machine,
  dtype: DType,
  options: PlanOptions,
  constant?: readonly boolean[],
): Generator<void, Tree> {
  const model = costModel(machine, options.cost ?? 'time', ITEM_BYTES[dtype]);
  // Nothing to order where a label has no index; but an explicit path is still checked.
  const optimize =
    equation.sizes.includes(0) && typeof (options.optimize ?? 'auto') === 'string' ? 'greedy' : options.optimize;
  return yield* findTree(
    { network, model, constant },
    {
      optimize: optimize ?? 'auto',
      seed: options.seed ?? 0,
      secondsPerCost: options.cost === 'flops' ? 1 / machine.flopsPerSecond : 1,
    },
  );
}

/** Schedules a tree and slices it until it fits. */
export function* prepareTree(
  equation: Equation,
  tree: Tree,
  machine: Machine,
  dtype: DType,
  options: PlanOptions,
): Generator<void, Prepared> {
  const network = yield* simplifySteps(equation);
  const execution: Execution = {
    network,
    tree: yield* scheduleTree(network, tree),
    machine,
    model: costModel(machine, 'time', ITEM_BYTES[dtype]),
    strategy: options.strategy ?? 'blocked',
    itemBytes: ITEM_BYTES[dtype],
    stripExponent: options.stripExponent ?? false,
  };
  const limit = options.memoryLimit ?? Number.POSITIVE_INFINITY;
  const empty = equation.sizes.includes(0);
  const chunks = empty ? new Map<number, number>() : yield* chooseSlices(execution, limit);
  return { equation, execution, chunks, dtype, seconds: empty ? 0 : (yield* estimate(execution, chunks)).cost };
}

/** The plan for operands of some layouts; contiguous ones if none are given. */
export function* planFor(prepared: Prepared, layouts?: readonly OperandLayout[]): Generator<void, ContractionPlan> {
  const { equation, execution, chunks, dtype, seconds } = prepared;
  return yield* lowerPlan(
    equation,
    execution,
    chunks,
    layouts ?? equation.shapes.map(contiguousLayout),
    dtype,
    seconds,
  );
}
