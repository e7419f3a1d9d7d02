import type { Pacer } from '../../cooperate.js';
import { mapLayer, partsOf } from '../../model/layer.js';
import type { Layer } from '../../model/model.js';
import type { Tensor } from '../../tensor/tensor.js';

/**
 * A chain with the sign of every number drawn anew: what is added up has the same sizes and nothing cancels, so that its norm tells how large
 * the terms were of which the norm of the chain is what is left. The draw is always the same.
 */
export async function withRandomSigns(layers: readonly Layer[], pacer: Pacer): Promise<Layer[]> {
  const signs = signSource();
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
function signSource(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state < 0 ? -1 : 1;
  };
}
