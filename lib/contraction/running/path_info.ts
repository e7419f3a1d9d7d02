import type { Backend, BackendName } from '../../backend/backend.js';
import { largest } from '../../extremes.js';
import type { PassedOver } from '../../machines/select.js';
import type { DType } from '../../tensor/tensor.js';
import type { Machine } from '../cost.js';
import type { Equation } from '../equation.js';
import { sizeOfLabels } from '../network.js';
import { pathOfTree } from '../path/explicit.js';
import { type ContractionPlan, type Kernel, loopSize, type PlanStep, type Slice } from '../plan.js';
import { joinsOf } from '../tree.js';
import type { Prepared } from './engine.js';
import { pathText } from './path_text.js';

/** About a millisecond. */
const STEPS_PER_PAUSE = 1024;

/** What a contraction will do, as plain data; `String(info)` is a table for people. */
export interface PathInfo {
  /** As it was given, in the notation of einsum. */
  readonly equation: string;
  /** Shapes of the operands. */
  readonly shapes: readonly (readonly number[])[];
  /** Compute type. */
  readonly dtype: DType;
  /** There where products of floats are one pass of TF32: see the option. */
  readonly tf32?: true | undefined;
  /** The order of the products, as `optimize` takes it and as numpy and opt_einsum write it. */
  readonly path: readonly (readonly [number, number])[];
  /** One loop nest over all labels. */
  readonly naive: {
    /** The number of labels. */
    readonly scaling: number;
    /** Its operations. */
    readonly flops: number;
  };
  /** The most labels any one step runs over. */
  readonly scaling: number;
  /** Operations of all steps and slices together. */
  readonly flops: number;
  /** Bytes read and written by all steps. */
  readonly bytes: number;
  /** Elements of the largest intermediate, the result included; within a slice, if sliced. */
  readonly largestIntermediate: number;
  /** Bytes of intermediates, result and workspace at the worst moment. */
  readonly peakBytes: number;
  /** Labels that are cut to fit the memory limit; empty where none is. */
  readonly slices: readonly Slice[];
  /** Predicted by the cost model. */
  readonly seconds: number;
  /** In the order of execution. */
  readonly steps: readonly PathStep[];
  /** Whom it is planned for, and who does it. */
  readonly backend: BackendName;
  /** Backends that are there and were passed over, each with the reason; absent where there are none. */
  readonly passedOver?: readonly PassedOver[] | undefined;
}

/** One step of the plan; numbers are for all slices together. */
export interface PathStep {
  /** Its own little equation. */
  readonly text: string;
  /** What executes it: a matrix product, or loops over elements. */
  readonly kernel: Kernel;
  /** Extents of the bundles, within a slice. */
  readonly batch: number;
  /** Extent of the labels of the left operand that are kept. */
  readonly m: number;
  /** Extent of the labels of the right operand that are kept. */
  readonly n: number;
  /** Extent of the labels that are summed. */
  readonly k: number;
  /** How often it is executed: 1 if no slice changes it. */
  readonly times: number;
  /** Operations. */
  readonly flops: number;
  /** Read and written. */
  readonly bytes: number;
  /** Predicted by the cost model. */
  readonly seconds: number;
  /** Made of constants alone: done at the first run only, and not part of the totals. */
  readonly constant: boolean;
}

/** Pauses now and then. */
export function* pathInfo(
  whole: Pick<Prepared, 'equation' | 'execution'>,
  plan: ContractionPlan,
  constantPlans: readonly ContractionPlan[],
  machine: Machine,
  backend: Pick<Backend, 'name' | 'tf32'>,
): Generator<void, PathInfo> {
  const { equation, execution } = whole;
  const { network, tree } = execution;
  const joins = yield* joinsOf(network, tree);
  const times = plan.slices.reduce((count, slice) => count * slice.count, 1);
  const steps: PathStep[] = [];
  for (const [some, count, constant] of [
    ...constantPlans.map(({ once, steps: all }) => [[...once, ...all], 1, true] as const),
    [plan.once, 1, false] as const,
    [plan.steps, times, false] as const,
  ]) {
    for (const [i, step] of some.entries()) {
      if (i % STEPS_PER_PAUSE === 0) yield;
      steps.push(rowOf(step, count, constant, machine));
    }
  }
  yield;
  const naive = naiveCost(equation);
  yield;
  return printable({
    equation: equation.text,
    shapes: equation.shapes,
    dtype: plan.dtype,
    ...(backend.tf32 && { tf32: true as const }),
    path: yield* pathOfTree(tree, network.leaves.length),
    naive,
    scaling: Math.max(
      largest(network.sources.map(({ lone, labels }) => (lone.length > 0 || tree.length === 0 ? labels.length : 0))),
      largest(joins.map(({ kept, summed }) => kept.length + summed.length)),
    ),
    flops: plan.flops,
    bytes: plan.bytes,
    largestIntermediate: largest(plan.buffers.map(({ kind, elements }) => (kind === 'operand' ? 0 : elements))),
    peakBytes: plan.peakBytes,
    slices: plan.slices,
    seconds: plan.seconds / (machine.pace ?? 1),
    steps,
    backend: backend.name,
  });
}

/** With its table as its text. */
export function printable(info: PathInfo): PathInfo {
  // Not enumerable, so that the object stays plain data for JSON, structuredClone and deep comparisons.
  return Object.defineProperty(info, 'toString', { value: () => pathText(info) });
}

function rowOf(step: PlanStep, times: number, constant: boolean, machine: Machine): PathStep {
  const { text, kernel, flops, bytes } = step;
  const seconds = flops / machine.flopsPerSecond + bytes / machine.bytesPerSecond + machine.secondsPerStep;
  return {
    text,
    kernel,
    batch: loopSize(step.batch),
    m: loopSize(step.left),
    n: loopSize(step.right),
    k: loopSize(step.contracted),
    times,
    flops: times * flops,
    bytes: times * bytes,
    seconds: (times * seconds) / (machine.pace ?? 1),
    constant,
  };
}

/** One nest of loops over all labels: a multiplication per further operand, and an addition if anything is summed. */
function naiveCost({ inputs, output, sizes }: Equation): PathInfo['naive'] {
  const labels = [...new Set(inputs.flat())];
  const kept = new Set(output);
  const summed = labels.some((label) => !kept.has(label));
  const perPoint = Math.max(1, inputs.length - 1) + (summed ? 1 : 0);
  return { scaling: labels.length, flops: perPoint * sizeOfLabels(labels, sizes) };
}
