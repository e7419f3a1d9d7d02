import { setImmediate } from 'node:timers/promises';
import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { chooseBackend } from '../../machines/at_once.js';
import { steadily } from '../../tensor/steady.js';
import { type DType, dtypeOf, type ScaledTensor, type Tensor } from '../../tensor/tensor.js';
import { bindSteps, type Equation } from '../equation.js';
import { foldConstants, type OperandOrPart } from '../fold.js';
import { checkShape, layoutOf } from '../layout.js';
import { simplifySteps } from '../network.js';
import { type EquationInput, parseSteps } from '../parse.js';
import type { ContractionPlan } from '../plan.js';
import { type Prepared, planFor, prepareTree, searchTree } from './engine.js';
import { type CompileOptions, checkOptions } from './options.js';
import { type PathInfo, pathInfo } from './path_info.js';

/** A contraction planned once and run as often as wanted. */
export interface CompiledContraction {
  /** What a run does. */
  readonly path: PathInfo;
  /**
   * Contracts operands of the shapes it was compiled for, constants left out. Any strides do. Operands are not copied:
   * leave them unchanged until the promise settles.
   *
   * @throws TensimError `SHAPE_MISMATCH` for other shapes or another number of operands; the reason of an abort.
   */
  run(operands: readonly Tensor[], control?: Control): Promise<Tensor | ScaledTensor>;
}

/** Everything that is decided before the operands are there. */
export interface Compiled {
  readonly whole: Equation;
  readonly rest: Prepared;
  /** Of the rest, for contiguous operands. */
  readonly plan: ContractionPlan;
  readonly sources: readonly OperandOrPart[];
  readonly parts: readonly { readonly prepared: Prepared; readonly operands: readonly number[] }[];
  readonly path: PathInfo;
  readonly backend: BackendWith<'contractions'>;
  readonly dtype: DType;
}

/** Parses, searches, slices and plans. Pauses every few milliseconds. */
export function* compileSteps(
  input: EquationInput,
  shapes: readonly (readonly number[])[],
  options: CompileOptions,
): Generator<void, Compiled> {
  checkOptions(options);
  if (!Array.isArray(shapes)) {
    throw new TensimError('INVALID_ARGUMENT', 'a contraction needs the shapes of its operands', {
      hint: 'For example [[2, 3], [3, 4]]: a list of extents for each operand',
    });
  }
  for (const [i, shape] of shapes.entries()) checkShape(shape, `operand ${i}`);
  const whole = yield* bindSteps(yield* parseSteps(input), shapes);
  const constants = checkConstants(whole, options.constants);
  const dtype = options.dtype ?? 'float64';
  const { tf32 } = options;
  const backend = chooseBackend(options.backend, { contractions: { dtype, tf32 } });
  const machine = backend.contractions.machine(dtype, options.threads);
  const network = yield* simplifySteps(whole);
  const tree = yield* searchTree(whole, network, machine, dtype, options, constants);
  const folded = yield* foldConstants(whole, network, tree, constants);
  const rest = yield* prepareTree(folded.equation, folded.tree, machine, dtype, options);
  const parts: { prepared: Prepared; operands: readonly number[] }[] = [];
  for (const part of folded.parts) {
    const prepared = yield* prepareTree(part.equation, part.tree, machine, dtype, { ...options, stripExponent: false });
    parts.push({ prepared, operands: part.operands });
  }
  const execution = { ...rest.execution, network, tree };
  const constantPlans: ContractionPlan[] = [];
  for (const { prepared } of parts) constantPlans.push(yield* planFor(prepared));
  const plan = yield* planFor(rest);
  const path = yield* pathInfo({ equation: whole, execution }, plan, constantPlans, machine, backend);
  return { whole, rest, plan, sources: folded.operands, parts, path, backend, dtype };
}

/** A compiled contraction ready to be run. */
export function runnable(compiled: Compiled, options: CompileOptions): CompiledContraction {
  const constants = options.constants ?? {};
  let folded: Promise<Tensor[]> | undefined;
  return {
    path: compiled.path,
    async run(operands, control = {}) {
      control.signal?.throwIfAborted();
      const all = allOperands(compiled.whole, operands, constants);
      // Once for all runs; a failed attempt (an abort) is not kept.
      folded ??= contractConstants(compiled, all, control);
      const parts = await folded.catch((error: unknown) => {
        folded = undefined;
        throw error;
      });
      const inputs = compiled.sources.map((source) => ('part' in source ? parts[source.part] : all[source.operand]));
      return await execute(compiled, compiled.rest, compiled.plan, inputs, control);
    },
  };
}

async function contractConstants(compiled: Compiled, all: readonly Tensor[], control: Control): Promise<Tensor[]> {
  const results: Tensor[] = [];
  for (const { prepared, operands } of compiled.parts) {
    const inputs = operands.map((operand) => all[operand]);
    results.push(await execute(compiled, prepared, undefined, inputs, { ...control, onProgress: undefined }));
  }
  return results;
}

async function execute(
  { backend, dtype }: Compiled,
  prepared: Prepared,
  contiguous: ContractionPlan | undefined,
  inputs: readonly Tensor[],
  control: Control,
): Promise<Tensor | ScaledTensor> {
  const layouts = inputs.map(layoutOf);
  const strided = inputs.some(({ strides }) => strides !== undefined);
  const plan =
    strided || contiguous === undefined ? await unhurried(planFor(prepared, layouts), control.signal) : contiguous;
  const converted: Tensor[] = [];
  for (const input of inputs) converted.push(await toDType(input, dtype, control));
  return await backend.contractions.run(plan, converted, control);
}

/** Elements converted at a time: about a millisecond. */
const CONVERTED = 1 << 20;

/** The operand in the compute type, converted some at a time; itself if nothing is to be done. */
export async function toDType(operand: Tensor, dtype: DType, control: Control): Promise<Tensor> {
  const { data } = operand;
  if (dtypeOf(data) === dtype) return operand;
  return steadily(data, async () => {
    const converted = dtype === 'float64' ? new Float64Array(data.length) : new Float32Array(data.length);
    for (let start = 0; start < converted.length; start += CONVERTED) {
      converted.set(data.subarray(start, start + CONVERTED), start);
      await setImmediate();
      control.signal?.throwIfAborted();
    }
    return { ...operand, data: converted };
  });
}

function checkConstants(equation: Equation, constants: CompileOptions['constants']): boolean[] {
  const flags = equation.inputs.map(() => false);
  for (const [key, operand] of Object.entries(constants ?? {})) {
    const place = Number(key);
    if (!Number.isInteger(place) || place < 0 || place >= flags.length) {
      throw new TensimError(
        'INVALID_ARGUMENT',
        `constants name operand ${key}, but there are ${flags.length} operands`,
      );
    }
    checkOperand(equation, operand, place);
    flags[place] = true;
  }
  return flags;
}

function allOperands(
  equation: Equation,
  given: readonly Tensor[],
  constants: NonNullable<CompileOptions['constants']>,
): Tensor[] {
  const expected = equation.inputs.length - Object.keys(constants).length;
  if (given.length !== expected) {
    const message = `"${equation.text}" takes ${expected} operands here, ${given.length} given`;
    throw new TensimError('SHAPE_MISMATCH', message, { hint: 'Constants are bound already: leave them out' });
  }
  let next = 0;
  return equation.inputs.map((_, place) => {
    const bound = constants[place];
    if (bound !== undefined) return bound;
    const operand = given[next++];
    checkOperand(equation, operand, place);
    return operand;
  });
}

function checkOperand(equation: Equation, operand: Tensor, place: number): void {
  const { shape } = layoutOf(operand, place);
  const expected = equation.shapes[place];
  if (shape.length !== expected.length || shape.some((extent, axis) => extent !== expected[axis])) {
    const message = `operand ${place} has shape [${shape.join(', ')}], "${equation.text}" was compiled for [${expected.join(', ')}]`;
    throw new TensimError('SHAPE_MISMATCH', message);
  }
}
