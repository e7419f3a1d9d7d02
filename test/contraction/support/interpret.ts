import type { ContractionPlan, Loop, PlanStep, View } from '../../../lib/contraction/plan.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';

/**
 * Executes a plan to the letter of its description in plan.ts, and checks what an executor relies on: a buffer is never
 * read before it is written nor after it is released (both read NaN), and no view leaves its buffer.
 *
 * @returns the output, and the largest number of elements in intermediates and the output at once.
 */
export function interpret(plan: ContractionPlan, operands: readonly Tensor[]): { output: number[]; peak: number } {
  const buffers = plan.buffers.map(({ kind, elements }, i): number[] | undefined =>
    kind === 'operand' ? [...operands[i].data] : kind === 'output' ? new Array(elements).fill(Number.NaN) : undefined,
  );
  const output = buffers[plan.output.buffer]!;
  if (plan.output.zero) output.fill(0);
  const alive = () =>
    plan.buffers.reduce((sum, { kind, elements }, i) => sum + (kind !== 'operand' && buffers[i] ? elements : 0), 0);
  let peak = alive();
  const parts = plan.slices.map(() => 0);
  const run = (step: PlanStep) => {
    buffers[step.out.buffer] ??= new Array(plan.buffers[step.out.buffer].elements).fill(Number.NaN);
    peak = Math.max(peak, alive());
    runStep(step);
    for (const buffer of step.release) buffers[buffer] = undefined;
  };
  const at = (view: View) => view.sliceStrides.reduce((offset, stride, s) => offset + stride * parts[s], view.offset);
  const read = (buffer: number, place: number): number => {
    const value = buffers[buffer]![place];
    if (value === undefined || Number.isNaN(value)) throw new Error(`buffer ${buffer} has nothing at ${place}`);
    return value;
  };
  function runStep(step: PlanStep): void {
    const kept = [...step.batch, ...step.left, ...step.right];
    walk(kept, (a, b, out) => {
      let sum = 0;
      walk(step.contracted, (ca, cb) => {
        const value = read(step.a.buffer, at(step.a) + a + ca);
        sum += step.b === null ? value : value * read(step.b.buffer, at(step.b) + b + cb);
      });
      const place = at(step.out) + out;
      buffers[step.out.buffer]![place] = step.accumulate ? read(step.out.buffer, place) + sum : sum;
    });
  }
  function walk(
    loops: readonly Loop[],
    visit: (a: number, b: number, out: number) => void,
    a = 0,
    b = 0,
    out = 0,
  ): void {
    const [loop, ...inner] = loops;
    if (loop === undefined) {
      visit(a, b, out);
      return;
    }
    const slice = plan.slices[loop.slice];
    const extent = slice ? Math.min(slice.chunk, slice.size - parts[loop.slice] * slice.chunk) : loop.size;
    for (let i = 0; i < extent; i++) {
      walk(inner, visit, a + i * loop.strideA, b + i * loop.strideB, out + i * loop.strideOut);
    }
  }
  for (const step of plan.once) run(step);
  const passes = plan.slices.reduce((count, slice) => count * slice.count, 1);
  for (let pass = 0; pass < passes; pass++) {
    let rest = pass;
    for (let s = parts.length - 1; s >= 0; s--) {
      parts[s] = rest % plan.slices[s].count;
      rest = Math.floor(rest / plan.slices[s].count);
    }
    for (const step of plan.steps) run(step);
  }
  return { output, peak };
}
