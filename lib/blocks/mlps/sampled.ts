import type { BackendWith } from '../../backend/backend.js';
import type { WhitenedLaw } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { type MlpShape, type MlpSource, partsOf } from './source.js';

/** How MLPs are sampled. */
export interface SampleSettings {
  readonly backend: BackendWith<'forward' | 'normals'>;
  readonly law: WhitenedLaw;
  readonly seed: number;
  /** Half the width of the 95 % intervals of similarities. */
  readonly tolerance: number;
  readonly maxSamples: number;
  readonly threads: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Two MLPs on random inputs. */
export interface SampledPair {
  /** NaN where one of the two is zero. */
  readonly similarity: number;
  readonly standardError: number;
  readonly fidelityError: number;
  /** The same relative to the second. */
  readonly reverseFidelityError: number;
  /** Of the fidelity error. */
  readonly fidelityDeviation: number;
  /** Inputs that were drawn. */
  readonly samples: number;
}

/** Inputs of the first round, which tell a similarity of a wide block to some thousandths, and of any round at most. */
export const FIRST_SAMPLES = 512;
const MOST_AT_ONCE = 1024;
/** Half the width of the interval of a fidelity error, relative to it. */
const RELATIVE = 0.1;
/** Half the width of a 95 % interval in standard errors. */
const INTERVAL = 1.96;
/** What is below this of a fidelity error is rounding of the outputs, which are in single precision. */
const ROUNDING = 1e-12;
/** Numbers of a part of an MLP that are in memory at a time, in double precision. */
const AT_ONCE = 1 << 19;

/**
 * Compares MLPs by what they give on inputs that are drawn from a law, all on the same ones: the error of a similarity
 * shrinks with what the two differ by, and so does that of the fidelity error (MATH.md section 18). Round after round is
 * drawn until all are known well enough. Some units of an MLP are in memory at a time.
 * @returns of every pair i < j, at i · mlps + j
 * @throws TensimError `NOT_FINITE`
 */
export async function sampledPairs(
  mlps: readonly MlpSource[],
  settings: SampleSettings,
): Promise<ReadonlyMap<number, SampledPair>> {
  const count = mlps.length;
  const products = Array.from({ length: count * count }, () => [] as number[]);
  const distances = Array.from({ length: count * count }, () => [] as number[]);
  const pacer = new Pacer(settings.signal);
  for (let done = 0; ; ) {
    const size = Math.min(done === 0 ? FIRST_SAMPLES : Math.min(done, MOST_AT_ONCE), settings.maxSamples - done);
    const inputs = await drawn(mlps[0].width, done, size, settings, pacer);
    const outputs: Float64Array[] = [];
    for (const mlp of mlps) outputs.push(await outputsOf(mlp, inputs, size, settings, pacer));
    for (let i = 0; i < count; i++)
      for (let j = i; j < count; j++)
        await compareOutputs(outputs[i], outputs[j], size, products[i * count + j], distances[i * count + j], pacer);
    done += size;
    const found = new Map<number, SampledPair>();
    for (let i = 0; i < count; i++)
      for (let j = i + 1; j < count; j++) {
        const at = i * count + j;
        const own = [products[i * count + i], products[at], products[j * count + j], distances[at]];
        found.set(at, estimate(own, done));
      }
    if (done >= settings.maxSamples || [...found.values()].every((pair) => isKnown(pair, settings))) return found;
  }
}

function isKnown({ similarity, ...errors }: SampledPair, { tolerance }: SampleSettings): boolean {
  // Of a function that is zero nothing more is found out.
  if (Number.isNaN(similarity)) return true;
  const { standardError, fidelityError, fidelityDeviation } = errors;
  const near = fidelityError <= ROUNDING || INTERVAL * fidelityDeviation <= RELATIVE * fidelityError;
  return near && INTERVAL * standardError <= tolerance;
}

/** Inputs, (count, d), in single precision. */
async function drawn(
  d: number,
  first: number,
  count: number,
  { backend, law, seed, threads, signal }: SampleSettings,
  pacer: Pacer,
): Promise<Float32Array> {
  const { mean, factor, sigma } = law;
  const columns = factor?.columns ?? d;
  const normals = await backend.normals.draw({ seed, stream: 0, dimension: columns }, first, count, {
    threads,
    signal,
  });
  const inputs = new Float32Array(count * d);
  for (let k = 0; k < count; k++)
    for (let i = 0; i < d; i++) {
      let value = mean?.[i] ?? 0;
      if (factor === undefined) value += sigma * normals[k * d + i];
      else for (let j = 0; j < columns; j++) value += factor.data[i * columns + j] * normals[k * columns + j];
      inputs[k * d + i] = value;
      if (pacer.due(factor === undefined ? 1 : columns)) await pacer.pause();
    }
  return inputs;
}

/** Hidden units of an MLP that are run at a time. */
export const unitsInPart = ({ width }: MlpShape): number => Math.max(64, Math.floor(AT_ONCE / width));

/** What an MLP gives, (count, d): the sum of what its parts give. */
async function outputsOf(
  mlp: MlpSource,
  inputs: Float32Array,
  count: number,
  { backend, threads, signal }: SampleSettings,
  pacer: Pacer,
): Promise<Float64Array> {
  const { width } = mlp;
  const outputs = new Float64Array(count * width);
  for (const units of partsOf(mlp, unitsInPart(mlp))) {
    const layer = await mlp.part(units);
    const source = { layers: [layer], positions: 1, features: width, input: 'vectors' } as const;
    const pass = await backend.forward.prepare(source, 'float32', { threads, signal });
    mlp.done(layer);
    try {
      const part = (await pass.evaluate(inputs, { threads, signal })) as Float32Array;
      for (let from = 0; from < part.length; from += width) {
        for (let at = from; at < from + width; at++) outputs[at] += part[at];
        if (pacer.due(width)) await pacer.pause();
      }
    } finally {
      pass.dispose();
    }
  }
  if (outputs.every(Number.isFinite)) return outputs;
  throw new TensimError('NOT_FINITE', `${mlp.label} gives numbers beyond the range of single precision`, {
    hint: 'The method "exact" computes in double precision',
  });
}

/** f·g and ‖f − g‖² of every input. */
async function compareOutputs(
  f: Float64Array,
  g: Float64Array,
  count: number,
  products: number[],
  distances: number[],
  pacer: Pacer,
): Promise<void> {
  const width = f.length / count;
  for (let k = 0; k < count; k++) {
    let [product, distance] = [0, 0];
    for (let at = k * width; at < (k + 1) * width; at++) {
      product += f[at] * g[at];
      distance += (f[at] - g[at]) ** 2;
    }
    products.push(product);
    distances.push(distance);
    if (pacer.due(2 * width)) await pacer.pause();
  }
}

/** From f·f, f·g, g·g and ‖f − g‖² of every input, by the delta method. */
function estimate([ff, fg, gg, dd]: readonly number[][], samples: number): SampledPair {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / samples;
  const [a, b, away] = [mean(ff), mean(gg), mean(dd)];
  const [rootA, rootB] = [Math.sqrt(a), Math.sqrt(b)];
  const roots = rootA * rootB;
  // What is left of 1 is found from the differences, which know it to all digits.
  const apart = Math.max(0, away - (rootA - rootB) ** 2);
  const similarity = Math.max(-1, 1 - apart / (2 * roots));
  const fidelityError = away / a;
  let [squares, fidelitySquares] = [0, 0];
  for (let k = 0; k < samples; k++) {
    squares += (fg[k] / roots - (similarity / 2) * (ff[k] / a + gg[k] / b)) ** 2;
    fidelitySquares += ((dd[k] - fidelityError * ff[k]) / a) ** 2;
  }
  const deviation = (sum: number) => Math.sqrt(sum / samples / Math.max(1, samples - 1));
  return {
    ...{ similarity, standardError: deviation(squares), fidelityError, reverseFidelityError: away / b },
    ...{ fidelityDeviation: deviation(fidelitySquares), samples },
  };
}
