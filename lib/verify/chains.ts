import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { type EvaluateOptions, evaluate } from '../evaluation/evaluate.js';
import { selectBackend } from '../machines/select.js';
import type { Model } from '../model/model.js';
import { loadModel } from '../model/reading/load.js';
import { tensor } from '../tensor/tensor.js';
import { count } from '../words/counts.js';
import { EXPLAINED } from './folding.js';
import type { VerifyOptions } from './options.js';
import { sameLayers } from './permuted_chain.js';
import type { LayoutChange } from './terms.js';

/** What rounding of weights in float32 leaves of a squared relative error, and what that in the computation does. */
const ROUNDING = 1e-11;
/** Random inputs, and numbers in all of them at most. */
const SAMPLES = 4096;
const NUMBERS = 1 << 21;

/** In what way two chains of layers are written otherwise and are the same function. */
export interface ChainChange {
  readonly change: LayoutChange;
  /** Weight by weight; else only by outputs on random inputs, which rare ones escape. */
  readonly isProven: boolean;
}

/**
 * In what way two chains of layers are the same function; undefined where they are not, or are no chains.
 * @param changed ‖b − a‖² / ‖a‖² of the weights, where those were put beside each other
 */
export async function chainChange(
  reference: string,
  candidate: string,
  changed: number | undefined,
  options: VerifyOptions,
): Promise<ChainChange | undefined> {
  const { backend, threads, signal, onProgress: _, tolerance: __, ...reading } = options;
  try {
    const [a, b] = [
      await loadModel(reference, { ...reading, signal }),
      await loadModel(candidate, { ...reading, signal }),
    ];
    const same = await sameLayers(a.layers, b.layers, new Pacer(signal));
    if (same === 'equal') return { change: { kind: 'names', text: 'layers of other names' }, isProven: true };
    if (same === 'permuted')
      return { change: { kind: 'units-permuted', text: 'hidden units in another order' }, isProven: true };
    if (a.inputShape.join() !== b.inputShape.join() || a.outputShape.join() !== b.outputShape.join()) return undefined;
    const limit = Math.min(ROUNDING, EXPLAINED * (changed ?? 1));
    const samples = await equalSamples(a, b, limit, { backend, threads, signal });
    if (samples === undefined) return undefined;
    const text = `layers written otherwise: outputs are equal on ${count(samples)} random inputs`;
    return { change: { kind: 'units-permuted', text }, isProven: false };
  } catch (error) {
    // What is no chain of layers, or none of one shape, is told by its names.
    if (error instanceof TensimError) return undefined;
    throw error;
  }
}

/** On how many random inputs the outputs of two models are equal but for rounding; undefined where they are not. */
async function equalSamples(a: Model, b: Model, limit: number, options: EvaluateOptions): Promise<number | undefined> {
  const [positions, features] = a.inputShape;
  const samples = Math.max(1, Math.min(SAMPLES, Math.floor(NUMBERS / (positions * features))));
  const { backend, signal, threads } = options;
  const { normals } = await selectBackend(backend, { normals: {} }, signal);
  const values = await normals.draw({ seed: 0, stream: 0, dimension: positions * features }, 0, samples, {
    signal,
    threads,
  });
  const inputs = tensor(values, positions === 1 ? [samples, features] : [samples, positions, features]);
  const [f, g] = [(await evaluate(a, inputs, options)).data, (await evaluate(b, inputs, options)).data];
  let [norm, error] = [0, 0];
  for (let i = 0; i < f.length; i++) {
    norm += f[i] * f[i];
    error += (f[i] - g[i]) ** 2;
  }
  return error <= limit * norm ? samples : undefined;
}
