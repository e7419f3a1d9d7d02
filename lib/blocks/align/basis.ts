import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { largest } from '../../extremes.js';
import { selectBackend } from '../../machines/select.js';
import type { BlockNetwork, Norm } from '../../model/transformers/network.js';
import type { BlockFile } from '../open.js';
import { inRuns, lengthOf } from '../paced.js';
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
/** Tokens that are looked at at a time. */
const ROWS = 1024;

export type End = 'embedding' | 'unembedding';

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
 * @param ends which of the two are looked at
 * @throws TensimError `UNSUPPORTED_LAYER` where there are none that both have
 */
export async function findBasis(
  f: BlockFile,
  g: BlockFile,
  options: ProductOptions,
  ends: readonly End[] = ['embedding', 'unembedding'],
): Promise<FoundBasis> {
  const { width: d } = f.network;
  const products = productsBy(options);
  const pacer = new Pacer(options.signal);
  const centres = [f, g].map(({ network }) => isCentred(network));
  const total = new Float64Array(d * d);
  const from: End[] = [];
  for (const end of ends) {
    const found = new Float64Array(d * d);
    const squares = [0, 0];
    for await (const pair of rowsOf(f, g, end, centres, pacer)) {
      await addTo(found, await products.columns(...pair, pair[0].length / d), 1, pacer);
      for (const [i, rows] of pair.entries()) squares[i] += (await lengthOf(rows, pacer)) ** 2;
    }
    const norm = Math.sqrt(squares[0]) * Math.sqrt(squares[1]);
    if (norm === 0) continue;
    await addTo(total, found, 1 / norm, pacer);
    from.push(end);
  }
  if (from.length === 0)
    throw new TensimError('UNSUPPORTED_LAYER', `has no embeddings in common with "${g.path}" to find a rotation by`, {
      file: f.path,
      hint: 'Leave the rotation out: --align units, option align',
    });
  const keepsMean = centres.every(Boolean);
  if (keepsMean)
    await inRuns(total.length, pacer, (start, end) => {
      for (let at = start; at < end; at++) total[at] += 1 / d;
    });
  const basis = await polarFactor(total, d, products, pacer);
  const fits: Fit[] = [];
  for (const end of from) {
    const [asIs, turned] = [new WeightTally(), new WeightTally()];
    for await (const [rows, others] of rowsOf(f, g, end, centres, pacer)) {
      await asIs.add(rows, others, pacer);
      await turned.add(rows, await products.rows(others, basis, d), pacer);
    }
    fits.push({ end, asIs: asIs.result, turned: turned.result });
  }
  const residual = (of: 'asIs' | 'turned') => Math.sqrt(largest(fits.map((fit) => fit[of].nmse ?? 0)));
  const identity = residual('asIs') <= WORTH * residual('turned') || residual('asIs') === 0;
  let trace = 0;
  for (let i = 0; i < d; i++) trace += basis[i * d + i];
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
      orthogonality: (await lengthOf(square, pacer)) / Math.sqrt(d),
      ...(await spreadOf(total, basis, d, products, options, pacer)),
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

/** The rows of both for the tokens that both have, some at a time; nothing where one of them has none. */
async function* rowsOf(
  f: BlockFile,
  g: BlockFile,
  end: End,
  centres: readonly boolean[],
  pacer: Pacer,
): AsyncGenerator<[Float64Array, Float64Array]> {
  const { width: d } = f.network;
  const [one, other] = [f.network[end], g.network[end]];
  if (one === undefined || other === undefined) return;
  const gains = [await readGain(f.network.finalNorm, f.read), await readGain(g.network.finalNorm, g.read)];
  const view = async (rows: Float64Array, i: number) => {
    if (end === 'unembedding') return behindNorm(rows, null, gains[i], d).weight;
    return centres[i] ? centreRows(rows, d, pacer) : rows;
  };
  const tokens = Math.min(f.extent(one)[0], g.extent(other)[0]);
  for (let from = 0; from < tokens; from += ROWS) {
    const cut = { rows: { from, to: Math.min(tokens, from + ROWS) } };
    yield [await view(await f.read(one, cut), 0), await view(await g.read(other, cut), 1)];
  }
  for (const file of [f, g]) file.letGo();
}

/** Adds a matrix to another, so many times. */
async function addTo(sum: Float64Array, added: Float64Array, scale: number, pacer: Pacer): Promise<void> {
  await inRuns(sum.length, pacer, (start, end) => {
    for (let at = start; at < end; at++) sum[at] += scale * added[at];
  });
}

/** How the singular values of what the basis was found by lie: the eigenvalues of Bᵀ M. */
async function spreadOf(
  total: Float64Array,
  basis: Float64Array,
  size: number,
  products: Products,
  { backend, signal, threads }: ProductOptions,
  pacer: Pacer,
): Promise<Pick<BasisAlignment, 'condition' | 'undetermined'>> {
  const data = await products.columns(basis, total, size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) data[i * size + j] = (data[i * size + j] + data[j * size + i]) / 2;
    if (pacer.due(4 * i)) await pacer.pause();
  }
  const { eigen } = await selectBackend(backend, { eigen: {} }, signal);
  const { values } = await eigen.symmetricEigen({ data, count: 1, size }, 0, { signal, threads });
  const told = values.filter((value) => value > NOTHING * values[0]);
  return { condition: values[0] / told[told.length - 1], undetermined: size - told.length };
}
