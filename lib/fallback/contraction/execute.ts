import type { Control } from '../../backend/control.js';
import type { ContractionPlan, PlanStep, View } from '../../contraction/plan.js';
import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { ScaledTensor, Tensor, TensorData } from '../../tensor/tensor.js';
import { blockedProduct } from './blocked.js';
import { bundleOf } from './bundle.js';
import { dotProduct } from './dot.js';
import { multiplyOrCopy } from './elementwise.js';
import { exponentOf, largest, largestOfView, scale } from './exponents.js';
import { loopsProduct } from './loops.js';
import { BufferPool } from './pool.js';
import type { Product, Work } from './product.js';
import { reduceLoops } from './reduce.js';
import { ttgtProduct } from './ttgt.js';

/** Offsets are 32-bit integers, which V8 computes without rounding. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/**
 * A buffer in use. Its true values are data · 2^exponent, and reading it multiplies by 2^−peak; both 0 unless exponents
 * are stripped.
 */
interface Held {
  readonly data: TensorData;
  exponent: number;
  peak: number;
}

/**
 * Runs a plan in TypeScript, cooperatively: the event loop turns every few milliseconds, an abort is seen as often.
 *
 * @param operands of the plan's dtype and layouts.
 * @throws TensimError `MEMORY_LIMIT` for a tensor of 2³¹ elements or more; the reason of the abort signal.
 */
export async function executePlan(
  plan: ContractionPlan,
  operands: readonly Tensor[],
  control: Control,
  pool = new BufferPool(plan.dtype, plan.peakBytes),
): Promise<Tensor | ScaledTensor> {
  const largestBuffer = plan.buffers.reduce((most, { elements }) => Math.max(most, elements), 0);
  if (largestBuffer > MOST_ELEMENTS) {
    throw new TensimError(
      'MEMORY_LIMIT',
      `the fallback handles tensors below 2^31 elements; one here has ${largestBuffer}`,
      {
        hint: 'Use the native backend, or set memoryLimit so that intermediates are sliced',
      },
    );
  }
  return new Execution(plan, operands, pool, control).run();
}

class Execution {
  readonly #plan: ContractionPlan;
  readonly #pool: BufferPool;
  readonly #pacer: Pacer;
  readonly #held = new Map<number, Held>();
  readonly #output: Held;
  readonly #operands: readonly Tensor[];
  /** The current part of every slice. */
  readonly #parts: number[];
  readonly #report: ((done: number, total: number) => void) | undefined;
  /** Points done, of those of the plan. */
  #done = 0;

  constructor(plan: ContractionPlan, operands: readonly Tensor[], pool: BufferPool, control: Control) {
    this.#plan = plan;
    this.#operands = operands;
    this.#pool = pool;
    this.#pacer = new Pacer(control.signal);
    this.#report = control.onProgress && throttle(control.onProgress, undefined, performance.now());
    this.#parts = plan.slices.map(() => 0);
    for (const [i, { data }] of operands.entries()) this.#held.set(i, { data, exponent: 0, peak: 0 });
    // A new typed array is zero, which is what `output.zero` asks for.
    this.#output = {
      data: pool.take(plan.buffers[plan.output.buffer].elements),
      exponent: Number.NEGATIVE_INFINITY,
      peak: 0,
    };
    this.#held.set(plan.output.buffer, this.#output);
  }

  async run(): Promise<Tensor | ScaledTensor> {
    const { once, steps, slices, output, stripExponent } = this.#plan;
    if (stripExponent) await this.#scaleOperands();
    for (const step of once) await this.#step(step);
    const passes = slices.reduce((count, slice) => count * slice.count, 1);
    for (let pass = 0; pass < passes; pass++) {
      let rest = pass;
      for (let s = slices.length - 1; s >= 0; s--) {
        this.#parts[s] = rest % slices[s].count;
        rest = Math.floor(rest / slices[s].count);
      }
      for (const step of steps) await this.#step(step);
    }
    const { data } = this.#output;
    const shape = Object.freeze([...output.shape]);
    const exponent = stripExponent ? await this.#normaliseOutput() : undefined;
    this.#report?.(this.#plan.points, this.#plan.points);
    return exponent === undefined ? { data, shape } : { data, shape, exponent };
  }

  async #step(step: PlanStep): Promise<void> {
    const { stripExponent } = this.#plan;
    const a = this.#held.get(step.a.buffer)!;
    const b = step.b === null ? undefined : this.#held.get(step.b.buffer)!;
    const out = this.#bufferFor(step.out.buffer);
    let shift = 0;
    if (stripExponent) {
      const exponent = a.exponent + a.peak + (b === undefined ? 0 : b.exponent + b.peak);
      if (step.accumulate && out.exponent > exponent) shift = exponent - out.exponent;
      else {
        const down = out.exponent - exponent;
        if (step.accumulate && down > Number.NEGATIVE_INFINITY) await this.#pacer.run(scale(out.data, down));
        out.exponent = exponent;
      }
    }
    await this.#pacer.run(this.#work(step, a, b, out, shift), (points) => this.#count(points));
    if (stripExponent && !step.accumulate) out.peak = exponentOf(await this.#pacer.run(largest(out.data)));
    for (const buffer of step.release) {
      this.#pool.give(this.#held.get(buffer)!.data);
      this.#held.delete(buffer);
    }
  }

  /** The end is told once, when all is done. */
  #count(points: number): void {
    this.#done += points;
    if (this.#done < this.#plan.points) this.#report?.(this.#done, this.#plan.points);
  }

  #work(step: PlanStep, a: Held, b: Held | undefined, out: Held, shift: number): Work {
    const extentOf = (slice: number) => {
      const { size, chunk } = this.#plan.slices[slice];
      return Math.min(chunk, size - this.#parts[slice] * chunk);
    };
    const bundle = (loops: PlanStep['batch']) => bundleOf(loops, extentOf);
    const product: Product = {
      a: a.data,
      aAt: this.#place(step.a),
      aScale: 2 ** (shift - a.peak),
      b: b?.data ?? a.data,
      bAt: step.b === null ? 0 : this.#place(step.b),
      bScale: b === undefined ? 1 : 2 ** -b.peak,
      out: out.data,
      outAt: this.#place(step.out),
      batch: bundle(step.batch),
      left: bundle(step.left),
      right: bundle(step.right),
      contracted: bundle(step.contracted),
      accumulate: step.accumulate,
    };
    if (b === undefined) {
      if (step.kernel === 'reduce') return reduceLoops(product);
      const { b: _b, bAt: _bAt, bScale: _bScale, ...copy } = product;
      return multiplyOrCopy(copy);
    }
    if (step.kernel === 'multiply') return multiplyOrCopy(product);
    if (this.#plan.strategy === 'loops') return loopsProduct(product);
    if (this.#plan.strategy === 'ttgt') return ttgtProduct(product);
    // Scaling happens where a value is packed, so scaled operands are always packed.
    const packed = step.kernel === 'gemm' || this.#plan.stripExponent;
    if (step.kernel === 'dot' && !packed) return dotProduct(product);
    return blockedProduct(product, packed);
  }

  #place(view: View): number {
    return view.sliceStrides.reduce((offset, stride, s) => offset + stride * this.#parts[s], view.offset);
  }

  #bufferFor(buffer: number): Held {
    let held = this.#held.get(buffer);
    if (held === undefined) {
      held = { data: this.#pool.take(this.#plan.buffers[buffer].elements), exponent: 0, peak: 0 };
      this.#held.set(buffer, held);
    }
    return held;
  }

  async #scaleOperands(): Promise<void> {
    for (const [i, layout] of this.#plan.operands.entries()) {
      const held = this.#held.get(i)!;
      held.peak = exponentOf(await this.#pacer.run(largestOfView(this.#operands[i].data, layout)));
    }
  }

  /** Brings the largest magnitude of the output into [0.5, 1); returns the exponent that belongs to it. */
  async #normaliseOutput(): Promise<number> {
    const { data, exponent } = this.#output;
    const most = await this.#pacer.run(largest(data));
    if (most === 0 || !Number.isFinite(exponent)) return 0;
    const peak = exponentOf(most);
    await this.#pacer.run(scale(data, -peak));
    return exponent + peak;
  }
}
