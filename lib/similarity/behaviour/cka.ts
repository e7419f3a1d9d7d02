import type { Control } from '../../backend/control.js';
import type { CompiledContraction } from '../../contraction/running/compile.js';
import { compileContraction } from '../../contraction/running/contract.js';
import { Pacer } from '../../cooperate.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { ResolvedSettings } from '../terms/options.js';
import type { Outputs } from './behavioural.js';

/** Outputs with their mean taken away, as a matrix (places, outputs) of Frobenius norm 1; null if they do not vary. */
type Centred = Tensor | null;

/**
 * The linear centred kernel alignment of outputs (Kornblith et al., "Similarity of Neural Network Representations
 * Revisited", 2019):
 *
 *     ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖)  =  ⟨XXᵀ, YYᵀ⟩ / (‖XXᵀ‖ ‖YYᵀ‖)
 *
 * with X and Y centred, a row per position of every input. Of the two forms the one with the smaller products is
 * computed.
 * @returns the value for models i and j; NaN where the outputs of one do not vary.
 */
export async function linearCka(
  all: readonly Outputs[],
  settings: ResolvedSettings,
): Promise<(i: number, j: number) => Promise<number>> {
  const { signal, threads, backend } = settings;
  const pacer = new Pacer(signal);
  const control = { signal, threads };
  const kept = new Map<Outputs, Centred>();
  for (const outputs of all) if (!kept.has(outputs)) kept.set(outputs, await centred(outputs, pacer));
  const centredAll = all.map((outputs) => kept.get(outputs)!);
  const { values, outputs } = all[0];
  const rows = values.length / outputs;
  const shape = [rows, outputs];
  const options = { backend: backend.name, threads };
  if (rows < outputs) {
    const product = compileContraction('ir,jr->ij', [shape, shape], options);
    const kernels = new Map<Tensor, Tensor>();
    for (const x of centredAll) if (x !== null && !kernels.has(x)) kernels.set(x, await product.run([x, x], control));
    return aligned(centredAll, (x, y) => inner(kernels.get(x)!, kernels.get(y)!, pacer));
  }
  const product = compileContraction('ri,rj->ij', [shape, shape], options);
  return aligned(centredAll, (x, y) => squaredNorm(product, x, y, control, pacer));
}

function aligned(
  all: readonly Centred[],
  covariance: (x: Tensor, y: Tensor) => Promise<number>,
): (i: number, j: number) => Promise<number> {
  const own = new Map<Tensor, number>();
  const ownOf = async (x: Tensor): Promise<number> => {
    const value = own.get(x) ?? (await covariance(x, x));
    own.set(x, value);
    return value;
  };
  return async (i, j) => {
    const [x, y] = inOrder(all[i], all[j]);
    if (x === null || y === null) return Number.NaN;
    if (x === y) return 1;
    return Math.min(1, (await covariance(x, y)) / (Math.sqrt(await ownOf(x)) * Math.sqrt(await ownOf(y))));
  };
}

/**
 * Two of them in an order that follows from their numbers, so that the value does not depend on which is given first.
 */
function inOrder(x: Centred, y: Centred): [Centred, Centred] {
  if (x === null || y === null) return [x, y];
  const different = x.data.findIndex((value, at) => value !== y.data[at]);
  return different >= 0 && x.data[different] > y.data[different] ? [y, x] : [x, y];
}

async function centred({ values, outputs }: Outputs, pacer: Pacer): Promise<Centred> {
  const rows = values.length / outputs;
  const means = new Float64Array(outputs);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let c = 0; c < outputs; c++, at++) means[c] += values[at] / rows;
    if (pacer.due(outputs)) await pacer.pause();
  }
  const data = new Float64Array(values.length);
  let largest = 0;
  let mostRounding = 0;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let c = 0; c < outputs; c++, at++) {
      data[at] = values[at] - means[c];
      largest = Math.max(largest, Math.abs(data[at]));
      mostRounding = Math.max(mostRounding, Math.abs(means[c]));
    }
    if (pacer.due(outputs)) await pacer.pause();
  }
  // What is left of constant outputs is the rounding of their mean.
  if (largest <= 8 * rows * Number.EPSILON * mostRounding) return null;
  let squares = 0;
  for (let at = 0; at < data.length; at++) {
    squares += (data[at] / largest) ** 2;
    if (pacer.due(1)) await pacer.pause();
  }
  const factor = 1 / Math.sqrt(squares);
  for (let at = 0; at < data.length; at++) {
    data[at] = (data[at] / largest) * factor;
    if (pacer.due(1)) await pacer.pause();
  }
  return { data, shape: [rows, outputs] };
}

async function squaredNorm(
  product: CompiledContraction,
  x: Tensor,
  y: Tensor,
  control: Control,
  pacer: Pacer,
): Promise<number> {
  const cross = await product.run([x, y], control);
  return inner(cross, cross, pacer);
}

async function inner(a: Tensor, b: Tensor, pacer: Pacer): Promise<number> {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) {
    sum += a.data[i] * b.data[i];
    if (pacer.due(1)) await pacer.pause();
  }
  return sum;
}
