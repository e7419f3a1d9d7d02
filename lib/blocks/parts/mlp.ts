import type { LayerDefinition } from '../../model/create.js';
import type { Mlp, Piece } from '../../model/transformers/network.js';
import type { Span } from '../../model/transformers/pieces.js';
import { behindNorm, type Gain, type PieceReader } from './reader.js';

type HiddenDefinition = Extract<LayerDefinition, { readonly type: 'hidden' }>;
type GatedDefinition = Extract<LayerDefinition, { readonly type: 'gated' }>;
export type MlpDefinition = HiddenDefinition | GatedDefinition;

/**
 * An MLP behind its norm as one layer, of which the input is what the norm divides.
 * @param d width of the residual stream
 * @param units only these of its units: the MLP is the sum of such parts, and the first has what is added to all of it
 */
export async function mlpLayer(
  mlp: Mlp,
  norm: Gain,
  d: number,
  read: PieceReader,
  units?: Span,
): Promise<MlpDefinition> {
  const vector = async (piece: Piece | undefined) => (piece === undefined ? null : await read(piece, { rows: units }));
  const tensorOf = (data: Float64Array, ...shape: number[]) => ({ data, shape });
  const inner = async (weight: Piece, bias: Piece | undefined) => {
    const { weight: own, bias: shift } = behindNorm(await read(weight, { rows: units }), await vector(bias), norm, d);
    const size = own.length / d;
    return { weight: tensorOf(own, size, d), bias: shift === null ? undefined : tensorOf(shift, size), size };
  };
  const { activation } = mlp;
  const up = await inner(mlp.up, mlp.upBias);
  const down = tensorOf(await read(mlp.down, { columns: units }), d, up.size);
  const own = mlp.downBias === undefined || (units?.from ?? 0) > 0 ? null : await read(mlp.downBias);
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
