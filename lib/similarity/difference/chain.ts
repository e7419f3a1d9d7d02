import type { WhitenedLaw } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { partsOf, residualOf } from '../../layers/layer.js';
import { kindOf } from '../../layers/table.js';
import type { Layer, LinearLayer } from '../../model/model.js';
import { identity } from '../../tensor/matrix.js';
import { alignLayers, type LayerPair } from './align.js';
import { differenceLayers } from './layers/table.js';
import type { Place, Stream } from './linear.js';
import { probesBehind, probesOf } from './probes.js';
import { type Change, changeOf, largest, viewOf } from './weights.js';

/** f − g = scale · (the chain). */
export interface DifferenceChain {
  /** Null where f and g are the same by their numbers, and the difference is zero. */
  readonly layers: readonly Layer[] | null;
  /** A power of two, such that what the chain computes is of the size of f and g. */
  readonly scale: number;
  /** By how much its norm is wrong beside rounding, relative to it: of units with kinks whose arguments have moved. */
  readonly error: number;
}

/**
 * The difference of two chains as a chain of the same kinds of layers, in which nothing large cancels. Beside the
 * stream x_g of g it carries Δ = (x_f − x_g)/scale; with δW = W_f − W_g (exact for doubles close to each other),
 *
 *     linear     Δ' = W_f Δ + δW x_g + δb
 *     a block    p_f − p_g = Σ_i p⁽¹⁾_g … p⁽ⁱ⁻¹⁾_g · δp⁽ⁱ⁾ · p⁽ⁱ⁺¹⁾_f … p⁽ᵐ⁾_f           for its products p = p⁽¹⁾ … p⁽ᵐ⁾ of linear functions,
 *
 * two for a bilinear unit, five for a head: units or heads of the same kind, on (x_g, Δ). So its inner products come by
 * the methods that those of f and g come by, and ‖f − g‖² has a rounding error of its own size, where ⟨f,f⟩ − 2⟨f,g⟩ +
 * ⟨g,g⟩ has one of the size of ‖f‖². Layers in front of the first that differs are those of g.
 *
 * Units with activations are no products: where their arguments are equal the difference is in D alone, else
 * `layers/units.ts` says what is done.
 *
 * @param under the law of the inputs; without, units whose arguments move have no difference.
 * @returns null where the chains do not go beside each other: blocks of other kinds, heads of other sizes, residuals of
 * attention of other factors, other activations, or units that move behind another block.
 */
export async function differenceChain(
  f: readonly Layer[],
  g: readonly Layer[],
  pacer: Pacer,
  under: { readonly law: WhitenedLaw; readonly inputs: number } | null = null,
): Promise<DifferenceChain | null> {
  const aligned = alignLayers(f, g);
  if (aligned === null) return null;
  const pairs: LayerPair[] = [];
  for (const pair of aligned) {
    const { f, g } = pair;
    pairs.push({ ...pair, f: (await differenceLayers.of(g.type).matched?.(f, g, pacer)) ?? f });
  }
  const scale = await scaleOf(pairs, pacer);
  if (scale === 0) return { layers: null, scale, error: 0 };
  const layers: Layer[] = [];
  let probes = under && (await probesOf(under.law, under.inputs, pacer));
  let error = 0;
  const push = async (layer: Layer) => {
    layers.push(layer);
    probes = probes && (await probesBehind(layer, probes, pacer));
  };
  let from: Stream = { width: kindOf(g[0]).widths(g[0]).takes, split: false, moved: false };
  for (const [index, pair] of pairs.entries()) {
    const { gives } = pair;
    if (!from.split && (await same(pair, pacer))) {
      await push(pair.g);
      from = { ...from, width: gives };
      continue;
    }
    const residual = residualOf(pair.g).alpha !== 0;
    if (residual && !from.split) {
      await push(beginning(from.width));
      from = { ...from, split: true };
    }
    const last = index === pairs.length - 1;
    const place: Place = { from, gives, last: last && !residual, scale, probes };
    const found = await differenceLayers.of(pair.g.type).difference(pair.f, pair.g, place, pacer);
    if (found === null) return null;
    await push(found.layer);
    error = Math.max(error, found.error ?? 0);
    if (last && residual) layers.push(ending(gives));
    from = { width: gives, split: true, moved: true };
  }
  return { layers, scale, error };
}

/** x ↦ (x, 0). */
function beginning(width: number): LinearLayer {
  const data = new Float64Array(2 * width * width);
  data.set(identity(width).data);
  return { type: 'linear', weight: { data, shape: [2 * width, width] } };
}

/** (x_g, Δ) ↦ Δ. */
function ending(width: number): LinearLayer {
  const data = new Float64Array(2 * width * width);
  for (let i = 0; i < width; i++) data[i * 2 * width + width + i] = 1;
  return { type: 'linear', weight: { data, shape: [width, 2 * width] } };
}

/** Whether both layers are the same by their numbers. */
async function same({ f, g, takes, gives }: LayerPair, pacer: Pacer): Promise<boolean> {
  for (const layer of [g, f]) {
    const own = kindOf(layer).widths(layer);
    if (own.takes !== takes || own.gives !== gives) return false;
  }
  const [residual, other] = [residualOf(f), residualOf(g)];
  if (residual.alpha !== other.alpha || residual.beta !== other.beta) return false;
  const [parts, others] = [new Map(partsOf(f)), new Map(partsOf(g))];
  for (const role of new Set([...parts.keys(), ...others.keys()])) {
    const [one, two] = [viewOf(parts.get(role)), viewOf(others.get(role))];
    const { rows, columns } = one ?? two!;
    if (one !== null && two !== null && (one.rows !== two.rows || one.columns !== two.columns)) return false;
    if ((await changeOf(one, two, rows, columns, pacer)).delta !== null) return false;
  }
  return true;
}

/** The largest part by which any matrix changes, as a power of two; 0 where nothing changes. */
async function scaleOf(pairs: readonly LayerPair[], pacer: Pacer): Promise<number> {
  let most = 0;
  for (const { f, g, takes, gives } of pairs) {
    const [alpha, other] = [residualOf(f).alpha, residualOf(g).alpha];
    if (alpha !== other) {
      most = Math.max(most, Math.abs(alpha - other) / Math.max(Math.abs(alpha), Math.abs(other)));
    }
    const changes = await differenceLayers.of(g.type).changes(f, g, takes, gives, pacer);
    for (const { weight, bias } of changes) {
      const size = await sizeOf([weight], pacer);
      const both = await sizeOf([weight, bias], pacer);
      most = Math.max(most, await shareOf(weight, size, pacer), await shareOf(bias, both, pacer));
    }
  }
  return most === 0 ? 0 : 2 ** Math.round(Math.log2(most));
}

async function sizeOf(changes: readonly Change[], pacer: Pacer): Promise<number> {
  let size = 0;
  for (const { f, g } of changes) size = Math.max(size, await largest(f, pacer), await largest(g, pacer));
  return size;
}

async function shareOf({ delta }: Change, size: number, pacer: Pacer): Promise<number> {
  return delta === null ? 0 : (await largest(delta, pacer)) / size;
}
