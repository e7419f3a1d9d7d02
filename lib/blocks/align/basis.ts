import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { largest } from '../../extremes.js';
import { selectBackend } from '../../machines/select.js';
import type { BlockNetwork, Norm, Piece } from '../../model/transformers/network.js';
import type { BlockFile } from '../open.js';
import { behindNorm, readGain } from '../parts/reader.js';
import { type ProductOptions, type Products, productsBy } from '../products.js';
import type { BasisAlignment, WeightComparison } from '../terms.js';
import { WeightTally } from '../weights.js';
import { polarFactor } from './polar.js';
import { centreRows } from './stream.js';

/**
 * Nothing is turned where that makes the embeddings fit less than so many times better: a rotation has d²/2 numbers to
 * fit noise with.
 */
const WORTH = 1.5;
/** Singular values below this part of the largest are rounding: the embeddings say nothing there. */
const NOTHING = 1e-12;
/** Rows that are turned at a time. */
const ROWS = 4096;

type End = 'embedding' | 'unembedding';

/** How an embedding of the second network fits that of the first. */
interface Fit {
  readonly end: End;
  readonly asIs: WeightComparison;
  readonly turned: WeightComparison;
}

/** The stream of the second network in the coordinates of the first, and what was found on the way. */
export interface FoundBasis {
  /** (d, d), x of the first for x of the second; null for the identity. */
  readonly basis: Float64Array | null;
  readonly about: BasisAlignment;
  /** In the coordinates of the first. */
  readonly embedding?: WeightComparison;
  readonly unembedding?: WeightComparison;
}

/**
 * The orthogonal matrix that best takes the embeddings of one network, and its unembeddings behind their norm, into
 * those of the other (Procrustes' problem). A layer norm takes the mean over the features off, so that nothing of it is
 * compared; where both networks have such, the matrix keeps that direction.
 * @throws TensimError `UNSUPPORTED_LAYER` where there are none that both have
 */
export async function findBasis(f: BlockFile, g: BlockFile, options: ProductOptions): Promise<FoundBasis> {
  const { width: d } = f.network;
  const products = productsBy(options);
  const pacer = new Pacer(options.signal);
  const centres = [f, g].map(({ network }) => isCentred(network));
  const total = new Float64Array(d * d);
  const from: End[] = [];
  for (const end of ['embedding', 'unembedding'] as const) {
    const pair = await endsOf(f, g, end, centres);
    if (pair === undefined) continue;
    const found = await products.columns(...pair, pair[0].length / d);
    const norm = lengthOf(pair[0]) * lengthOf(pair[1]);
    if (norm === 0) continue;
    for (let at = 0; at < total.length; at++) total[at] += found[at] / norm;
    from.push(end);
    for (const file of [f, g]) file.letGo();
  }
  if (from.length === 0)
    throw new TensimError('UNSUPPORTED_LAYER', `has no embeddings in common with "${g.path}" to find a rotation by`, {
      file: f.path,
      hint: 'Leave the rotation out: --align units, option align',
    });
  const keepsMean = centres.every(Boolean);
  if (keepsMean) for (let at = 0; at < total.length; at++) total[at] += 1 / d;
  const basis = await polarFactor(total, d, products, pacer);
  const fits: Fit[] = [];
  for (const end of from) {
    const [one, other] = (await endsOf(f, g, end, centres))!;
    const [asIs, turned] = [new WeightTally(), new WeightTally()];
    for (let at = 0; at < one.length; at += ROWS * d) {
      const [rows, others] = [one, other].map((data) => data.subarray(at, at + ROWS * d));
      await asIs.add(rows, others, pacer);
      await turned.add(rows, await products.rows(others, basis, d), pacer);
    }
    fits.push({ end, asIs: asIs.result, turned: turned.result });
    for (const file of [f, g]) file.letGo();
  }
  const residual = (of: 'asIs' | 'turned') => Math.sqrt(largest(fits.map((fit) => fit[of].nmse ?? 0)));
  const identity = residual('asIs') <= WORTH * residual('turned') || residual('asIs') === 0;
  const trace = basis.reduce((sum, value, at) => (at % (d + 1) === 0 ? sum + value : sum), 0);
  const square = await products.rows(basis, basis, d);
  for (let i = 0; i < d; i++) square[i * d + i] -= 1;
  return {
    basis: identity ? null : basis,
    about: {
      from,
      residual: residual(identity ? 'asIs' : 'turned'),
      unturned: residual('asIs'),
      identity,
      turn: identity ? 0 : Math.sqrt(Math.max(0, 1 - trace / d)),
      orthogonality: lengthOf(square) / Math.sqrt(d),
      ...(await spreadOf(total, basis, d, products, options)),
      keepsMean,
    },
    ...Object.fromEntries(fits.map(({ end, asIs, turned }) => [end, identity ? asIs : turned])),
  };
}

/** Whether all norms of a network take the mean off, so that nothing sees it. */
export function isCentred({ layers, finalNorm }: BlockNetwork): boolean {
  const norms = [...layers.flatMap(({ attentionNorm, mlpNorm }) => [attentionNorm, mlpNorm]), finalNorm];
  const given = norms.filter((norm): norm is Norm => norm !== undefined);
  return given.length > 0 && given.every(({ kind }) => kind === 'layer');
}

/** The rows of both for the tokens that both have. */
async function endsOf(
  f: BlockFile,
  g: BlockFile,
  end: End,
  centres: readonly boolean[],
): Promise<[Float64Array, Float64Array] | undefined> {
  const { width: d } = f.network;
  const read = async ({ network, read }: BlockFile, piece: Piece, isCentred: boolean) => {
    const rows = await read(piece);
    if (end === 'unembedding') return behindNorm(rows, null, await readGain(network.finalNorm, read), d).weight;
    return isCentred ? centreRows(rows, d) : rows;
  };
  const [one, other] = [f.network[end], g.network[end]];
  if (one === undefined || other === undefined) return undefined;
  const [a, b] = [await read(f, one, centres[0]), await read(g, other, centres[1])];
  const length = Math.min(a.length, b.length);
  return [a.subarray(0, length), b.subarray(0, length)];
}

/** How the singular values of what the basis was found by lie: the eigenvalues of Bᵀ M. */
async function spreadOf(
  total: Float64Array,
  basis: Float64Array,
  size: number,
  products: Products,
  { backend, signal, threads }: ProductOptions,
): Promise<Pick<BasisAlignment, 'condition' | 'undetermined'>> {
  const data = await products.columns(basis, total, size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < i; j++) data[i * size + j] = (data[i * size + j] + data[j * size + i]) / 2;
  const { eigen } = await selectBackend(backend, { eigen: {} }, signal);
  const { values } = await eigen.symmetricEigen({ data, count: 1, size }, 0, { signal, threads });
  const told = values.filter((value) => value > NOTHING * values[0]);
  return { condition: values[0] / told[told.length - 1], undetermined: size - told.length };
}

const lengthOf = (values: Float64Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
