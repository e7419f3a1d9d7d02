import { headProducts } from '../../lib/blocks/circuits/heads.js';
import { type Circuits, readCircuits } from '../../lib/blocks/parts/circuits.js';
import { mlpLayer } from '../../lib/blocks/parts/mlp.js';
import { type PieceReader, readGain } from '../../lib/blocks/parts/reader.js';
import { Pacer } from '../../lib/cooperate.js';
import { createModel } from '../../lib/model/create.js';
import { recogniseBlocks } from '../../lib/model/transformers/layouts/table.js';
import type { Mlp } from '../../lib/model/transformers/network.js';
import { readPiece } from '../../lib/model/transformers/pieces.js';
import { BlockSettings } from '../../lib/model/transformers/settings.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { Given } from './transformers.js';

/** A network of tensors in memory: what is found in it, and one layer's blocks in numbers. */
export async function openBlocks(tensors: Given, config: Record<string, unknown>, at = 0) {
  const read = new Map<string, Tensor>(
    Object.entries(tensors).map(([name, [data, ...shape]]) => [name, { data, shape }]),
  );
  const listed = new Map([...read].map(([name, { shape }]) => [name, { name, shape, dtype: 'F64' }]));
  const settings = new BlockSettings('model', [{ name: 'config.json', values: config }]);
  const network = recogniseBlocks(listed, settings)!;
  const piece: PieceReader = (one, cut) => readPiece(one, read.get(one.tensor)!, new Pacer(), cut);
  const layer = network.layers[at];
  const norms = [await readGain(layer.attentionNorm, piece), await readGain(layer.mlpNorm, piece)];
  const modelOf = async (mlp: Mlp) => createModel({ layers: [await mlpLayer(mlp, norms[1], network.width, piece)] });
  return {
    network,
    settings,
    circuits: layer.attention && (await readCircuits(layer.attention, norms[0], network.width, piece)),
    mlp: layer.mlp && (await modelOf(layer.mlp)),
    experts: await Promise.all((layer.experts?.experts ?? []).map(modelOf)),
  };
}

/** The numbers of all heads. */
export async function numbersOf({ query, key, value, output, outputBias, done: _, ...shape }: Circuits) {
  const [heads, groups] = [shape.heads, shape.groups].map((to) => ({ from: 0, to }));
  const [queries, keys, values] = [await query(heads), await key(groups), await value(groups)];
  return { ...shape, query: queries, key: keys, value: values, output: await output(heads), outputBias };
}

/** A Bᵀ by its definition. */
export const multiplied = async (a: Float64Array, b: Float64Array, d: number) => {
  const columns = b.length / d;
  return Float64Array.from({ length: (a.length / d) * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < d; k++) sum += a[i * d + k] * b[j * d + k];
    return sum;
  });
};

export const productsOfHeads = (f: Circuits, g: Circuits) => headProducts(f, g, 12, 16, multiplied);
