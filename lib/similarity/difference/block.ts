import type { Pacer } from '../../cooperate.js';
import type { Typed } from '../../layers/kind.js';
import type { Residual } from '../../layers/residual.js';
import type { BilinearLayer, Layer } from '../../model/model.js';
import { identity, rowMajor } from '../../tensor/matrix.js';
import type { Tensor } from '../../tensor/tensor.js';
import { type FunctionOf, type LinearChange, type Place, stacked } from './linear.js';
import { assemble, changeOf, type Piece, scaledChange, viewOf } from './weights.js';

/** A block that multiplies linear functions of its input, feature by feature or head by head. */
type Block = Extract<Layer, Residual>;

/** Such a kind of block by the roles of its parts; each has a bias under its own role and `Bias`. */
export interface BlockParts {
  /** The linear functions that it multiplies, of as many rows each. */
  readonly factors: readonly [first: string, ...others: string[]];
  /** The linear function that takes the products to the stream; where a block is without, the identity. */
  readonly mixer: string;
}

/** The same of a kind whose products are multiplied out. */
export interface BlockRoles extends BlockParts {
  /** What a block of so many products has beside its parts, with the residual of g and β = 1. */
  fields(g: Typed, products: number): object;
}

/** How the functions of a block change: its factors, and at the end β times what takes their products to the stream. */
export async function blockChanges(
  roles: BlockParts,
  f: Block,
  g: Block,
  takes: number,
  gives: number,
  pacer: Pacer,
): Promise<LinearChange[]> {
  const rows = Math.max(productsOf(roles, f), productsOf(roles, g));
  const changes: LinearChange[] = [];
  for (const role of roles.factors) {
    const [one, two] = [partOf(roles, f, role), partOf(roles, g, role)];
    changes.push({
      weight: await changeOf(one.weight, two.weight, rows, takes, pacer),
      bias: await changeOf(one.bias, two.bias, rows, 1, pacer),
    });
  }
  const [one, two] = [partOf(roles, f, roles.mixer), partOf(roles, g, roles.mixer)];
  const weight = await changeOf(one.weight, two.weight, gives, rows, pacer);
  const bias = await changeOf(one.bias, two.bias, gives, 1, pacer);
  changes.push({
    weight: await scaledChange(weight, f.beta, g.beta, pacer),
    bias: await scaledChange(bias, f.beta, g.beta, pacer),
  });
  return changes;
}

type Parts = Readonly<Record<string, Tensor | undefined>>;

/** Hidden units, or the features of all heads. */
function productsOf({ factors: [first] }: BlockParts, block: Block): number {
  return (block as unknown as Parts)[first]!.shape[0];
}

function partOf(roles: BlockParts, block: Block, role: string) {
  const parts = block as unknown as Parts;
  const missing = role === roles.mixer && parts[role] === undefined;
  return {
    weight: missing ? identity(productsOf(roles, block)) : viewOf(parts[role]),
    bias: viewOf(parts[`${role}Bias`]),
  };
}

/**
 * The block of the difference: a group of units (or heads) for the products of g, and one for every factor in which f
 * and g differ, with the factors before it those of g and the factors behind it those of f.
 */
export async function differenceBlock(
  roles: BlockRoles,
  f: Block,
  g: Block,
  place: Place,
  pacer: Pacer,
): Promise<Layer> {
  const { from, gives, last, scale } = place;
  const changes = await blockChanges(roles, f, g, from.width, gives, pacer);
  const [factors, { weight: mixer, bias: constant }] = [changes.slice(0, -1), changes.at(-1)!];
  const differs = ({ weight, bias }: LinearChange) => from.moved || weight.delta !== null || bias.delta !== null;
  const differing = [...factors.keys()].filter((i) => differs(factors[i]));
  const own = !last || mixer.delta !== null || differing.length === 0;
  const groups = [...(own ? [factors.length] : []), ...differing];
  const kindAt = (group: number, factor: number): FunctionOf => {
    if (factor === group) return 'change';
    return factor < group ? 'g' : 'f';
  };
  const parts: Record<string, { data: Float64Array; shape: number[] }> = {};
  for (const [i, role] of roles.factors.entries()) {
    const kinds = groups.map((group) => kindAt(group, i));
    const { weight, bias } = await stacked(factors[i], kinds, place, pacer);
    parts[role] = weight;
    if (bias !== null) parts[`${role}Bias`] = bias;
  }
  const moved = f.alpha === g.alpha ? 0 : await appendResidual(parts, f as BilinearLayer, place, pacer);
  const products = mixer.columns;
  const below = last ? 0 : gives;
  const pieces: Piece[] = groups.map((group, k) => {
    const fromOwn = group === factors.length;
    const view = fromOwn ? mixer.delta : mixer.f;
    return { view, row: below, column: k * products, factor: fromOwn ? 1 / scale : 1 };
  });
  if (!last) pieces.push({ view: mixer.g, row: 0, column: 0 });
  const rows = below + gives;
  const columns = groups.length * products + moved;
  if (moved > 0) {
    const factor = (f.alpha - g.alpha) / scale;
    pieces.push({ view: identity(moved), row: below, column: groups.length * products, factor });
  }
  parts[roles.mixer] = { data: await assemble(rows, columns, pieces, pacer), shape: [rows, columns] };
  const constants: Piece[] = [{ view: constant.delta, row: below, column: 0, factor: 1 / scale }];
  if (!last) constants.push({ view: constant.g, row: 0, column: 0 });
  if (constant.f !== null || constant.g !== null) {
    parts[`${roles.mixer}Bias`] = { data: await assemble(rows, 1, constants, pacer), shape: [rows] };
  }
  return { ...roles.fields(g, groups.length * products), ...parts } as unknown as Layer;
}

/**
 * Units x_f · 1 = (x_g + scale · Δ) · 1, for (α_f − α_g) x_f beside the residual α_g Δ, which the block has by itself;
 * for blocks that are bilinear.
 * @returns how many.
 */
async function appendResidual(
  parts: Record<string, { data: Float64Array; shape: number[] }>,
  { left: { shape } }: Pick<BilinearLayer, 'left'>,
  { from, scale }: Place,
  pacer: Pacer,
): Promise<number> {
  const [{ left, right, leftBias, rightBias }, count] = [parts, shape[1]];
  const [rows, columns] = left.shape;
  const unit = identity(count);
  const taken: Piece[] = [{ view: unit, row: rows, column: 0 }];
  if (from.split) taken.push({ view: unit, row: rows, column: from.width, factor: scale });
  const constant: Piece = { view: rowMajor(new Float64Array(count).fill(1), count, 1), row: rows, column: 0 };
  const extended = async (part: typeof left | undefined, width: number, more: readonly Piece[]) => {
    const old: Piece = { view: part === undefined ? null : rowMajor(part.data, rows, width), row: 0, column: 0 };
    const data = await assemble(rows + count, width, [old, ...more], pacer);
    return data;
  };
  parts.left = { data: await extended(left, columns, taken), shape: [rows + count, columns] };
  parts.right = { data: await extended(right, columns, []), shape: [rows + count, columns] };
  parts.leftBias = { data: await extended(leftBias, 1, []), shape: [rows + count] };
  parts.rightBias = { data: await extended(rightBias, 1, [constant]), shape: [rows + count] };
  return count;
}
