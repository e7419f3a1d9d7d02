import type { LayerDefinition } from '../../model/create.js';
import type { Mlp, Piece } from '../../model/transformers/network.js';
import { behindNorm, type Gain, type PieceReader } from './reader.js';

/**
 * An MLP behind its norm as one layer, of which the input is what the norm divides.
 * @param d width of the residual stream
 */
export async function mlpLayer(mlp: Mlp, norm: Gain, d: number, read: PieceReader): Promise<LayerDefinition> {
  const vector = async (piece: Piece | undefined) => (piece === undefined ? null : await read(piece));
  const tensorOf = (data: Float64Array, ...shape: number[]) => ({ data, shape });
  const inner = async (weight: Piece, bias: Piece | undefined) => {
    const { weight: own, bias: shift } = behindNorm(await read(weight), await vector(bias), norm, d);
    const units = own.length / d;
    return { weight: tensorOf(own, units, d), bias: shift === null ? undefined : tensorOf(shift, units), units };
  };
  const { activation } = mlp;
  const up = await inner(mlp.up, mlp.upBias);
  const down = tensorOf(await read(mlp.down), d, up.units);
  const own = await vector(mlp.downBias);
  const out = { down, ...(own !== null && { downBias: tensorOf(own, d) }) };
  if (mlp.gate === undefined)
    return { type: 'hidden', weight: up.weight, ...(up.bias && { bias: up.bias }), activation, ...out };
  const gate = await inner(mlp.gate, mlp.gateBias);
  return {
    type: 'gated',
    gate: gate.weight,
    ...(gate.bias && { gateBias: gate.bias }),
    up: up.weight,
    ...(up.bias && { upBias: up.bias }),
    activation,
    ...out,
  };
}
