import type { Pacer } from '../../cooperate.js';
import type { LayerDefinition } from '../../model/create.js';
import { inRuns } from '../paced.js';
import type { Circuits } from '../parts/circuits.js';
import type { Affine } from '../parts/reader.js';
import type { Products } from '../products.js';

/** What is done to a network's residual stream, before its blocks are compared with another's. */
export interface StreamView {
  /** (d, d), B of B x; null for the identity. */
  readonly basis: Float64Array | null;
  /** No norm of the network sees the mean over the features, so that what is written to it is taken off. */
  readonly centres: boolean;
}

/** Takes the mean over the features off rows of so many, in place. */
export async function centreRows(rows: Float64Array, d: number, pacer: Pacer): Promise<Float64Array> {
  for (let at = 0; at < rows.length; at += d) {
    let mean = 0;
    for (let j = at; j < at + d; j++) mean += rows[j] / d;
    for (let j = at; j < at + d; j++) rows[j] -= mean;
    if (pacer.due(2 * d)) await pacer.pause();
  }
  return rows;
}

/** An MLP that reads and writes the stream in its view: its down is (d, units). */
export async function mlpInView<Layer extends LayerDefinition>(
  layer: Layer,
  d: number,
  { basis, centres }: StreamView,
  products: Products,
  pacer: Pacer,
): Promise<Layer> {
  const view: Record<string, unknown> = { ...layer };
  for (const [name, tensor] of Object.entries(layer) as [string, { data: Float64Array; shape: number[] }][]) {
    if (name === 'down' || name === 'downBias') {
      const columns = tensor.data.length / d;
      const data = centres ? await centreColumns(tensor.data, columns, pacer) : tensor.data;
      view[name] = { ...tensor, data: basis === null ? data : await products.plain(basis, data, d) };
    } else if (basis !== null && ['weight', 'gate', 'up'].includes(name))
      view[name] = { ...tensor, data: await products.rows(tensor.data, basis, d) };
  }
  return view as Layer;
}

/** The same of attention. */
export async function circuitsInView(
  circuits: Circuits,
  d: number,
  { basis, centres }: StreamView,
  products: Products,
  pacer: Pacer,
): Promise<Circuits> {
  const turned = async (rows: Float64Array) => (basis === null ? rows : await products.rows(rows, basis, d));
  const reading = async ({ weight, bias }: Affine) => ({ weight: await turned(weight), bias });
  const writing = async (rows: Float64Array) => turned(centres ? await centreRows(rows, d, pacer) : rows);
  const { query, key, value, output, outputBias } = circuits;
  return {
    ...circuits,
    query: async (heads) => reading(await query(heads)),
    key: async (groups) => reading(await key(groups)),
    value: async (groups) => reading(await value(groups)),
    output: async (heads) => writing(await output(heads)),
    outputBias: outputBias && (await writing(outputBias)),
  };
}

/** Takes the mean over the rows off every column, in place. */
async function centreColumns(data: Float64Array, columns: number, pacer: Pacer): Promise<Float64Array> {
  const means = new Float64Array(columns);
  await inRuns(data.length, pacer, (from, to) => {
    for (let at = from; at < to; at++) means[at % columns] += (data[at] * columns) / data.length;
  });
  await inRuns(data.length, pacer, (from, to) => {
    for (let at = from; at < to; at++) data[at] -= means[at % columns];
  });
  return data;
}
