import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { linearOf } from '../../layers/layer.js';
import type { Layer, LinearLayer } from '../../model/model.js';

/**
 * The Gaussian with the moments of a uniform one-hot vector of length d: the mean 1/d, the covariance (I − 11ᵀ/d)/d.
 * That is a multiple of a projection, so C is the same projection times 1/√d (MATH.md section 8). As a matrix it has d²
 * numbers, too many for the vocabulary of a language model; but models of tokens begin with an embedding, and W C is W
 * less the mean of each row.
 */
export interface OnehotLaw {
  readonly onehot: number;
}

/** A law as it was asked for. */
export type LawOfInputs = WhitenedLaw | OnehotLaw;

export function isOnehot(law: LawOfInputs): law is OnehotLaw {
  return 'onehot' in law;
}

/** The law with C as a matrix, for what cannot do without. */
export async function asWhitened(law: LawOfInputs, pacer: Pacer): Promise<WhitenedLaw> {
  if (!isOnehot(law)) return law;
  const { onehot: size } = law;
  const data = new Float64Array(size * size);
  const scale = 1 / Math.sqrt(size);
  for (let i = 0; i < size; i++) {
    data.fill(-scale / size, i * size, (i + 1) * size);
    data[i * (size + 1)] += scale;
    if (pacer.due(size)) await pacer.pause();
  }
  return { sigma: 1, mean: new Float64Array(size).fill(1 / size), factor: { data, columns: size } };
}

/** A chain and the law of its input as backends take them. */
export interface ChainUnderLaw {
  readonly layers: readonly Layer[];
  readonly law: WhitenedLaw;
}

/**
 * How chains are put under a law: that of tokens goes into an embedding, and the matrix for those without one is made
 * once, when it is needed.
 */
export function underLaw(law: LawOfInputs): (layers: readonly Layer[], pacer: Pacer) => Promise<ChainUnderLaw> {
  let whitened: Promise<WhitenedLaw> | undefined;
  return async (layers, pacer) => {
    const [first, ...others] = layers;
    const linear = isOnehot(law) && first !== undefined ? linearOf(first) : null;
    if (linear !== null) return { layers: [await centred(linear, pacer), ...others], law: { sigma: 1 } };
    whitened ??= asWhitened(law, pacer);
    return { layers, law: await whitened };
  };
}

/** x ↦ W x + b as a function of z: W C and b + W μ. */
async function centred({ type, weight, bias }: LinearLayer, pacer: Pacer): Promise<LinearLayer> {
  const [rows, columns] = weight.shape as [number, number];
  const data = new Float64Array(rows * columns);
  const offset = new Float64Array(rows);
  const scale = 1 / Math.sqrt(columns);
  for (let i = 0; i < rows; i++) {
    const row = weight.data.subarray(i * columns, (i + 1) * columns);
    let sum = 0;
    for (const value of row) sum += value;
    const mean = sum / columns;
    for (let j = 0; j < columns; j++) data[i * columns + j] = scale * (row[j] - mean);
    offset[i] = mean + (bias === undefined ? 0 : bias.data[i]);
    if (pacer.due(2 * columns)) await pacer.pause();
  }
  return { type, weight: { data, shape: [rows, columns] }, bias: { data: offset, shape: [rows] } };
}

/** x = μ + C z for every row of z, (…, d). */
export async function onehotInputs(z: Float64Array, { onehot: size }: OnehotLaw, pacer: Pacer): Promise<Float64Array> {
  const x = new Float64Array(z.length);
  const scale = 1 / Math.sqrt(size);
  for (let at = 0; at < z.length; at += size) {
    let sum = 0;
    for (let i = at; i < at + size; i++) sum += z[i];
    const offset = 1 / size - (scale * sum) / size;
    for (let i = at; i < at + size; i++) x[i] = offset + scale * z[i];
    if (pacer.due(2 * size)) await pacer.pause();
  }
  return x;
}
