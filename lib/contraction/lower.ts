import type { DType } from '../tensor/tensor.js';
import { stepFlops } from './cost.js';
import { type Equation, labelText, outputShape } from './equation.js';
import { contiguousStrides } from './layout.js';
import { fuseLoops } from './loops.js';
import { sizeOfLabels } from './network.js';
import type { BufferSpec, ContractionPlan, Kernel, Loop, OperandLayout, PlanStep, Slice, View } from './plan.js';
import { type Chunks, type Execution, estimate, productSize, slicedSizes, type Task, tasksOf } from './schedule.js';

/** Products with no extent above this are not worth packing. */
const SMALL = 32;

/** Labels of the steps written between two pauses, and what a step counts for beside them: some milliseconds. */
const LABELS_PER_PAUSE = 1024;
const TASK_WORK = 64;

/** A tensor during lowering: where the labels of a node are in a buffer. */
interface Placed {
  readonly buffer: number;
  readonly offset: number;
  /** Elements from one index of a label to the next, for every label the tensor has. */
  readonly strides: ReadonlyMap<number, number>;
  /** Its buffer holds the labels whole (operands and the output), so slices move along it. */
  readonly whole: boolean;
}

/**
 * Writes the plan that executes a scheduled tree for operands of the given layouts. Intermediates are laid out as
 * (batch, left, right), each bundle in the order of the operand it comes from, so that their loops fuse; the last
 * product writes straight into the permuted output.
 */
export function* lowerPlan(
  equation: Equation,
  execution: Execution,
  chunks: Chunks,
  layouts: readonly OperandLayout[],
  dtype: DType,
  predictedSeconds: number,
): Generator<void, ContractionPlan> {
  const lowering = new Lowering(equation, execution, chunks, layouts);
  yield* lowering.place(layouts);
  // An empty axis anywhere leaves nothing to multiply: the result is empty or zero.
  const empty = equation.sizes.includes(0);
  const tasks = empty ? [] : yield* tasksOf(execution, chunks);
  let work = 0;
  for (const task of tasks) {
    lowering.lower(task, task === tasks.at(-1));
    work += (task.join?.kept.length ?? 0) + (task.join?.summed.length ?? 0) + TASK_WORK;
    if (work > LABELS_PER_PAUSE) {
      work = 0;
      yield;
    }
  }
  const { once, steps, totals } = lowering;
  const accumulates = [...once, ...steps].some((step) => step.accumulate);
  return {
    version: 1,
    dtype,
    strategy: execution.strategy,
    operands: layouts,
    ...lowering.finish(empty || accumulates),
    once,
    steps,
    stripExponent: execution.stripExponent,
    ...totals,
    peakBytes: empty
      ? sizeOfLabels(equation.output, equation.sizes) * execution.itemBytes
      : (yield* estimate(execution, chunks)).peakBytes,
    seconds: empty ? 0 : predictedSeconds,
  };
}

class Lowering {
  readonly once: PlanStep[] = [];
  readonly steps: PlanStep[] = [];
  readonly totals = { points: 0, flops: 0, bytes: 0 };
  readonly #equation: Equation;
  readonly #execution: Execution;
  readonly #chunks: Chunks;
  readonly #sizes: number[];
  readonly #slices: Slice[];
  readonly #sliceOf = new Map<number, number>();
  readonly #buffers: BufferSpec[];
  readonly #placed = new Map<number, Placed>();
  readonly #output: Placed;

  constructor(equation: Equation, execution: Execution, chunks: Chunks, layouts: readonly OperandLayout[]) {
    this.#equation = equation;
    this.#execution = execution;
    this.#chunks = chunks;
    this.#sizes = slicedSizes(equation.sizes, chunks);
    this.#slices = [...chunks].map(([label, chunk]) => {
      const size = equation.sizes[label];
      return { name: equation.names[label], size, chunk, count: Math.ceil(size / chunk) };
    });
    for (const label of chunks.keys()) this.#sliceOf.set(label, this.#sliceOf.size);
    this.#buffers = layouts.map(({ elements }) => ({ kind: 'operand', elements }));
    const shape = outputShape(equation);
    const strides = contiguousStrides(shape);
    const along = equation.output.map((label, axis) => [label, strides[axis]] as const);
    this.#output = { buffer: -1, offset: 0, strides: new Map(along), whole: true };
  }

  /** Says where the operands have their labels; before anything is lowered. */
  *place(layouts: readonly OperandLayout[]): Generator<void, void> {
    for (const [operand, { labels }] of this.#execution.network.sources.entries()) {
      if (operand % 256 === 0 || labels.length > 256) yield;
      const { strides, offset } = layouts[operand];
      const along = new Map(labels.map((label) => [label, 0]));
      for (const [axis, label] of this.#equation.inputs[operand].entries()) {
        // A label that repeats steps along all its axes at once: its diagonal.
        if (along.has(label)) along.set(label, along.get(label)! + strides[axis]);
      }
      this.#placed.set(operand, { buffer: operand, offset, strides: along, whole: true });
    }
  }

  /** The parts of the plan that are known at the end. The output buffer is the last. */
  finish(zero: boolean): Pick<ContractionPlan, 'buffers' | 'slices' | 'output'> {
    const shape = outputShape(this.#equation);
    const buffer = this.#buffers.push({ kind: 'output', elements: shape.reduce((a, b) => a * b, 1) }) - 1;
    for (const steps of [this.once, this.steps]) {
      for (const [i, step] of steps.entries()) {
        if (step.out.buffer < 0) steps[i] = { ...step, out: { ...step.out, buffer } };
      }
    }
    return { buffers: this.#buffers, slices: this.#slices, output: { buffer, shape, zero } };
  }

  lower(task: Task, last: boolean): void {
    const { network, stripExponent } = this.#execution;
    const labels = task.join?.kept ?? network.leaves[task.node];
    const inputs = task.join === undefined ? [task.node] : [task.join.a, task.join.b];
    let [a, b] = inputs.map((node) => this.#placed.get(node)!) as [Placed, Placed | undefined];
    // Slices of one label may add up in the output only once their exponents agree: a step of its own does that.
    const aside = last && stripExponent && this.#slices.length > 0;
    const direct = last && !aside;
    if (b !== undefined && swaps(a, b, direct ? this.#output : undefined)) [a, b] = [b, a];
    const out = direct ? this.#output : this.#intermediate(a, b, labels);
    const accumulate = direct && [...this.#chunks.keys()].some((label) => !this.#output.strides.has(label));
    const release = task.release.map((node) => this.#placed.get(node)!.buffer);
    const all = new Set([...a.strides.keys(), ...(b?.strides.keys() ?? [])]);
    const workspaceBytes =
      task.join === undefined
        ? 0
        : this.#execution.machine.workspaceBytes(
            productSize(task.join, this.#sizes),
            this.#execution.strategy,
            this.#execution.itemBytes,
          );
    this.#push(a, b, out, all, labels, { accumulate, release, workspaceBytes }, task.once);
    this.#placed.set(task.node, out);
    if (aside) {
      const step = { accumulate: true, release: [out.buffer], workspaceBytes: 0 };
      this.#push(out, undefined, this.#output, new Set(labels), labels, step, false);
    }
  }

  #push(
    a: Placed,
    b: Placed | undefined,
    out: Placed,
    all: ReadonlySet<number>,
    kept: readonly number[],
    step: Pick<PlanStep, 'accumulate' | 'release' | 'workspaceBytes'>,
    once: boolean,
  ): void {
    const isKept = new Set(kept);
    const summed = [...all].filter((label) => !isKept.has(label));
    const loops = (keep: (label: number) => boolean) => fuseLoops(this.#loops([...all].filter(keep), a, b, out));
    const multiply = b !== undefined && sizeOfLabels(summed, this.#sizes) === 1;
    const inA = (label: number) => b === undefined || multiply || a.strides.has(label);
    const inB = (label: number) => b === undefined || multiply || b.strides.has(label);
    const batch = loops((label) => isKept.has(label) && inA(label) && inB(label));
    const left = loops((label) => isKept.has(label) && inA(label) && !inB(label));
    const right = loops((label) => isKept.has(label) && !inA(label) && inB(label));
    const contracted = loops((label) => !isKept.has(label));
    const kernel = kernelOf(b !== undefined, left, right, contracted);
    const flopsOf = (points: number) =>
      kernel === 'copy' ? 0 : b === undefined ? points : stepFlops(points, summed.length > 0);
    const points = sizeOfLabels(all, this.#sizes);
    const elements = [a, b, out].map((placed) =>
      placed === undefined
        ? 0
        : sizeOfLabels(
            [...placed.strides.keys()].filter((label) => all.has(label)),
            this.#sizes,
          ),
    );
    const bytes = elements.reduce((x, y) => x + y, 0) * this.#execution.itemBytes;
    (once ? this.once : this.steps).push({
      kernel,
      a: this.#view(a),
      b: b === undefined ? null : this.#view(b),
      out: this.#view(out),
      batch,
      left,
      right,
      contracted,
      ...step,
      points,
      flops: flopsOf(points),
      bytes,
      text: this.#text(a, b, out, isKept),
    });
    // Exact totals: a shorter last part does less, and a step without a sliced label runs anew in every part of it.
    const passes = once ? 1 : this.#slices.reduce((count, slice) => count * slice.count, 1);
    let repeats = 1;
    for (const [label, slice] of this.#sliceOf) if (!once && !all.has(label)) repeats *= this.#slices[slice].count;
    const exact = repeats * sizeOfLabels(all, this.#equation.sizes);
    this.totals.points += exact;
    this.totals.flops += flopsOf(exact);
    this.totals.bytes += passes * bytes;
  }

  #loops(labels: readonly number[], a: Placed, b: Placed | undefined, out: Placed): Loop[] {
    return labels
      .filter((label) => this.#sizes[label] > 1)
      .map((label) => {
        const slice = this.#sliceOf.get(label);
        const ragged = slice !== undefined && this.#slices[slice].size % this.#slices[slice].chunk !== 0;
        return {
          size: this.#sizes[label],
          strideA: a.strides.get(label) ?? 0,
          strideB: b?.strides.get(label) ?? 0,
          strideOut: out.strides.get(label) ?? 0,
          slice: ragged ? slice : -1,
        };
      });
  }

  #view(placed: Placed): View {
    const sliceStrides = [...this.#chunks].map(([label, chunk]) =>
      placed.whole ? (placed.strides.get(label) ?? 0) * chunk : 0,
    );
    return { buffer: placed.buffer, offset: placed.offset, sliceStrides };
  }

  /**
   * A new contiguous buffer for `labels`: those of both operands, of the first, of the second, as these are laid out.
   */
  #intermediate(a: Placed, b: Placed | undefined, labels: readonly number[]): Placed {
    const kept = new Set(labels);
    const byStride = (placed: Placed | undefined) =>
      [...(placed?.strides ?? [])]
        .filter(([label]) => kept.has(label))
        .sort(([, x], [, y]) => Math.abs(y) - Math.abs(x))
        .map(([label]) => label);
    const first = byStride(a);
    const second = byStride(b);
    const inSecond = new Set(second);
    const both = first.filter((label) => inSecond.has(label));
    const order = [...new Set([...both, ...first, ...second])];
    const strides = contiguousStrides(order.map((label) => this.#sizes[label]));
    const buffer = this.#buffers.push({ kind: 'intermediate', elements: sizeOfLabels(order, this.#sizes) }) - 1;
    return { buffer, offset: 0, strides: new Map(order.map((label, i) => [label, strides[i]])), whole: false };
  }

  /** Labels in the order in which they lie in memory, but for operands and the output: as in the equation. */
  #text(a: Placed, b: Placed | undefined, out: Placed, kept: ReadonlySet<number>): string {
    const text = (labels: Iterable<number>) => labelText(labels, this.#equation.names);
    const inputs = [a, ...(b === undefined ? [] : [b])].map((placed) => text(placed.strides.keys()));
    return `${inputs.join(',')}->${text([...out.strides.keys()].filter((label) => kept.has(label)))}`;
  }
}

/** Whether the operands of a product should change places, so that the output is contiguous along the right bundle. */
function swaps(a: Placed, b: Placed, out: Placed | undefined): boolean {
  if (out === undefined) return false;
  let nearest: number | undefined;
  for (const [label, stride] of out.strides) {
    if (a.strides.has(label) === b.strides.has(label)) continue;
    if (nearest === undefined || stride < out.strides.get(nearest)!) nearest = label;
  }
  return nearest !== undefined && a.strides.has(nearest);
}

function kernelOf(pair: boolean, left: readonly Loop[], right: readonly Loop[], contracted: readonly Loop[]): Kernel {
  const [m, n, k] = [left, right, contracted].map((loops) => loops.reduce((size, loop) => size * loop.size, 1)) as [
    number,
    number,
    number,
  ];
  if (!pair) return k === 1 ? 'copy' : 'reduce';
  if (k === 1) return 'multiply';
  if (m === 1 && n === 1) return 'dot';
  if (m === 1 || n === 1) return 'gemv';
  return Math.max(m, n, k) <= SMALL ? 'small' : 'gemm';
}
