import { type LayerOf, mapLayer } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import { quoted } from '../../words/names.js';
import type { Tensors } from '../blueprint.js';
import type { Everyday } from './everyday.js';
import { gated } from './gated.js';
import { mlp } from './mlp.js';
import { untold } from './refusals.js';

/** A tensor in a numbered block: what stands before the number, the number, and its name within the block. */
const NUMBERED = /^((?:.*[./])?(?:h|layers?|blocks?|blk|resblocks)[./])(0|[1-9]\d{0,8})[./](.+)$/;
/** The part of a block that is an MLP, where it has a name of its own. */
const MLP = /^(?:mlp|ffn|ff|feed_?forward(?:_layer)?|fc)[./](.+)$/i;
/** Its modules, where they stand in the block itself; BERT's two are called after what they are for. */
const LOOSE =
  /^(?:fc[12]|lin(?:ear)?[12]|intermediate[./]dense|output[./]dense|ffn_(?:gate|up|down))[./](?:weight|bias)$/;

/** Blocks of a transformer, each with the tensors of its MLP, under their names within it. */
export interface Blocks {
  readonly count: number;
  /** Of a block: what its tensors are called in it, with their names in the network. */
  readonly mlps: ReadonlyMap<number, ReadonlyMap<string, string>>;
}

/** The blocks of a network that has more than their MLPs; undefined where it has none. */
export function blocksOf(tensors: Tensors): Blocks | undefined {
  const mlps = new Map<number, Map<string, string>>();
  const prefixes = new Set<string>();
  const numbers = new Set<number>();
  let other: string | undefined;
  for (const name of tensors.keys()) {
    const [, prefix, digits, within] = NUMBERED.exec(name) ?? [];
    if (within !== undefined) numbers.add(Number(digits));
    const own = within === undefined ? undefined : (MLP.exec(within)?.[1] ?? (LOOSE.test(within) ? within : undefined));
    if (own === undefined) {
      other ??= name;
      continue;
    }
    prefixes.add(prefix as string);
    const block = mlps.get(Number(digits)) ?? new Map<string, string>();
    mlps.set(Number(digits), block.set(own, name));
  }
  return mlps.size === 0 || prefixes.size > 1 || other === undefined ? undefined : { count: numbers.size, mlps };
}

/**
 * One MLP block of a transformer of any make, chosen by the setting `block`: GPT-2's `h.{i}.mlp.{c_fc,c_proj}`, Llama's
 * `layers.{i}.mlp.{gate,up,down}_proj`, `layers.{i}.{fc1,fc2}` of OPT … What it maps is what the block gives it, behind
 * the normalisation. The whole network has a softmax, and is no chain of layers that is compared.
 */
export const blocks: Everyday = (tensors, settings) => {
  const found = blocksOf(tensors);
  const block = settings.block();
  if (found === undefined || block === undefined) return undefined;
  const { file } = settings;
  const names = found.mlps.get(block);
  if (names === undefined) throw untold(file, `has no MLP in a block ${block}`, chooseBlock(found));
  const own = new Map([...names].map(([name, inNetwork]) => [name, tensors.get(inNetwork)!]));
  const blueprint = gated(own, settings) ?? mlp(own, settings);
  if (blueprint === undefined)
    throw untold(
      file,
      `has an MLP of no known kind in block ${block}: ${quoted([...own.values()].map(({ name }) => name))}`,
    );
  const at = (place: Place): Place => ({ ...place, tensor: names.get(place.tensor) as string });
  return { ...blueprint, layers: blueprint.layers.map((layer): LayerOf<Place> => mapLayer(layer, at)) };
};

/** How one block is asked for. */
const chooseBlock = (blocks: Blocks): string =>
  `compare one of its MLP blocks (${numbersOf(blocks)}, option config.block)`;

/** `--config '{"block": 0}' to 11`. */
export function numbersOf({ mlps }: Blocks): string {
  const numbers = [...mlps.keys()].sort((a, b) => a - b);
  const [first, last] = [numbers[0], numbers[numbers.length - 1]];
  return `--config '{"block": ${first}}'${first === last ? '' : ` to ${last}`}`;
}
