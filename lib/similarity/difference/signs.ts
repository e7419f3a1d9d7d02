import type { Pacer } from '../../cooperate.js';
import { mapLayer, partsOf } from '../../layers/layer.js';
import type { Layer } from '../../model/model.js';
import type { Tensor } from '../../tensor/tensor.js';

/** Few terms may cancel in one draw; of more numbers than this one draw is like the other. */
const FEW = 4096;
const DRAWS_OF_FEW = 4;

/** How many draws tell the sizes of the terms of a chain. */
export function drawsFor(layers: readonly Layer[]): number {
  const count = layers.flatMap((layer) => partsOf(layer)).reduce((sum, [, { data }]) => sum + data.length, 0);
  return count > FEW ? 1 : DRAWS_OF_FEW;
}

/**
 * A chain with the sign of every number drawn anew: what is added up has the same sizes, and cancels as little as
 * anything random does, so that its norm tells how large the terms were of which the norm of the chain is what is left.
 * A draw is always the same.
 */
export async function withRandomSigns(layers: readonly Layer[], draw: number, pacer: Pacer): Promise<Layer[]> {
  const signs = signSource(draw);
  const drawn: Layer[] = [];
  for (const layer of layers) {
    const parts = new Map<Tensor, Tensor>();
    for (const [, part] of partsOf(layer)) parts.set(part, await drawnAnew(part, signs, pacer));
    drawn.push(mapLayer(layer, (part) => parts.get(part)!));
  }
  return drawn;
}

async function drawnAnew({ data, shape }: Tensor, sign: () => number, pacer: Pacer): Promise<Tensor> {
  const values = new Float64Array(data.length);
  for (let i = 0; i < values.length; i++) {
    values[i] = sign() * data[i];
    if (pacer.due(1)) await pacer.pause();
  }
  return { data: values, shape };
}

/** Bits of Marsaglia's xorshift generator ("Xorshift RNGs", 2003). */
export function signSource(draw: number): () => number {
  let state = Math.imul(0x9e3779b9, draw + 1);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state < 0 ? -1 : 1;
  };
}
