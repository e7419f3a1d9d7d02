import type { LayerOf, ParallelOf } from '../../../layers/layer.js';
import type { Place } from '../../../layers/place.js';
import { quoted } from '../../../words/names.js';
import { type Blueprint, type Tensors, tensorsOf } from '../../blueprint.js';
import type { Setting } from '../../settings.js';
import { networkOf } from '../../transformers/layouts/build.js';
import { type Layout, PLAIN } from '../../transformers/layouts/layout.js';
import { layoutOf } from '../../transformers/layouts/table.js';
import type { BlockNetwork, LayerBlocks, Norm } from '../../transformers/network.js';
import type { BlockSettings } from '../../transformers/settings.js';
import { COMPARE_BLOCKS, untold } from '../refusals.js';
import { Facts } from './facts.js';
import { attentionOf, linearOf, mlpOf, normOf } from './parts.js';

/** Positions of an input where nobody says how many, and the network knows more. */
const POSITIONS = 32;

/** Names within a layer of what a `BlockNetwork` lists as other tensors, or not at all. */
const BEHIND_ATTENTION = ['post_attention_layernorm', 'post_attention_norm'];
const BEHIND_MLP = ['post_feedforward_layernorm', 'post_ffw_norm'];
/** Learned positions, and the bias of the unembedding, at the end of their names. */
const LEARNED = /(?:^|\.)(?:wpe\.weight|pos_embed\.W_pos)$/;
const LAST_BIAS = /(?:^|\.)(?:lm_head\.bias|output\.bias|embed_out\.bias|unembed\.b_U)$/;

/** A transformer as a chain of layers, and what was asked for that its tensors do not tell. */
export interface Ordinary {
  readonly blueprint: Blueprint;
  readonly settings: readonly Setting[];
}

/**
 * Whether these are the names of a whole transformer of a known layout, and not of a part: one without an embedding or
 * without attention.
 */
export function isOrdinary(tensors: Tensors): boolean {
  return wholeLayout(tensors) !== undefined;
}

function wholeLayout(tensors: Tensors): Layout | undefined {
  const layout = layoutOf(tensors);
  return layout !== undefined && isWhole(layout, tensors) ? layout : undefined;
}

/**
 * A whole transformer of a known layout, with softmax and norms: a function that can be run, and of which no comparison
 * is exact.
 * @param tensors of which `isOrdinary`
 * @param positions of an input, if somebody says how many
 * @throws TensimError `UNSUPPORTED_LAYER` for what changes the function and is not run, tensors that nothing is known of
 * among it; as `networkOf`, and for settings that nobody says
 */
export function ordinary(tensors: Tensors, settings: BlockSettings, positions?: number): Ordinary {
  const layout = wholeLayout(tensors)!;
  const facts = new Facts(layout, settings);
  const network = networkOf(layout, tensors, settings);
  return new Chain(layout, network, facts, tensors, positions).ordinary();
}

function isWhole({ embedding, attention, layer, naming = PLAIN }: Layout, tensors: Tensors): boolean {
  const outputs = attention.output.map(naming.weight);
  return (
    embedding.some((name) => tensors.has(naming.weight(name))) &&
    [...tensors.keys()].some((name) => outputs.includes(layer.exec(name)?.[2] ?? ''))
  );
}

/** Makes the chain of a network. */
class Chain {
  readonly #layout: Layout;
  readonly #network: BlockNetwork;
  readonly #facts: Facts;
  readonly #tensors: Tensors;
  readonly #learned: string | undefined;
  readonly #positions: number;

  constructor(layout: Layout, network: BlockNetwork, facts: Facts, tensors: Tensors, positions: number | undefined) {
    this.#layout = layout;
    this.#network = network;
    this.#facts = facts;
    this.#tensors = tensors;
    this.#learned = network.others.find((name) => LEARNED.test(name));
    if (positions !== undefined) facts.note('used', positions, 'given');
    this.#positions = positions ?? this.#usualPositions();
  }

  ordinary(): Ordinary {
    const { layout: family, embedding, unembedding, layers, width, others } = this.#network;
    const facts = this.#facts;
    const { file } = facts.settings;
    const odd = layers.find(({ number }, i) => number !== i);
    if (odd !== undefined)
      throw untold(file, `has a layer ${odd.number} without one before it, and is a part of a transformer`);
    if (unembedding === undefined) this.#checkTied();
    if (this.#layout.rotary === null && this.#learned === undefined)
      throw untold(
        file,
        'is a transformer without learned positions, and other ones are not known of it',
        COMPARE_BLOCKS,
      );
    const bias = others.find((name) => LAST_BIAS.test(name));
    const scale = (facts.settings.number('embeddingFactor') ?? 1) * (facts.isGemma ? Math.sqrt(width) : 1);
    const chain: LayerOf<Place>[] = [
      linearOf(embedding!, scale, true),
      ...(this.#learned === undefined ? [] : [{ type: 'positions' as const, weight: { tensor: this.#learned } }]),
      ...layers.flatMap((layer) => this.#layer(layer)),
      ...this.#norm(this.#network.finalNorm),
      linearOf(
        unembedding ?? embedding!,
        1 / (facts.settings.number('logitDivisor') ?? 1),
        false,
        bias === undefined ? undefined : { tensor: bias },
      ),
    ];
    const blueprint: Blueprint = { family, positions: this.#positions, layers: chain };
    this.#checkAllUsed(blueprint);
    return { blueprint, settings: facts.asked };
  }

  #usualPositions(): number {
    const { settings } = this.#facts;
    const learned = this.#learned === undefined ? undefined : this.#tensors.get(this.#learned)!.shape[0];
    const most = learned ?? settings.count('positions') ?? POSITIONS;
    return this.#facts.note('used', Math.min(POSITIONS, most));
  }

  /** @throws TensimError where the embedding does not serve for the unembedding */
  #checkTied(): void {
    const { settings } = this.#facts;
    const tied = settings.truth('tied');
    if (tied === undefined) this.#facts.note('tied', true);
    if (tied === false)
      throw untold(
        settings.file,
        'is a transformer without its unembedding, which is not tied to the embedding',
        COMPARE_BLOCKS,
      );
  }

  /** @throws TensimError for tensors that no layer is made of: they would change what it computes */
  #checkAllUsed(blueprint: Blueprint): void {
    const used = new Set(tensorsOf(blueprint));
    const left = [...this.#tensors].filter(([name]) => !used.has(name)).map(([, { name }]) => name);
    if (left.length === 0) return;
    throw untold(
      this.#facts.settings.file,
      `is a transformer as ${this.#layout.name} names it, with ${quoted(left)}, of which its forward pass is not known`,
      COMPARE_BLOCKS,
      `leave out what the network does not need (--ignore '${left[0]}', option "ignore")`,
    );
  }

  #layer(layer: LayerBlocks): LayerOf<Place>[] {
    const { number, attention, mlp, experts, others } = layer;
    const facts = this.#facts;
    const { file } = facts.settings;
    if (experts !== undefined) throw untold(file, 'has experts, which are not run as a whole', COMPARE_BLOCKS);
    const { name } = this.#layout;
    if (attention === undefined || (mlp === undefined && name !== 'transformer_lens')) {
      const part = attention === undefined ? 'attention' : 'an MLP that is known';
      throw untold(file, `is a transformer as ${name} names it, without ${part} in layer ${number}`, COMPARE_BLOCKS);
    }
    const [behindAttention, behindMlp] = [BEHIND_ATTENTION, BEHIND_MLP].map((names) => this.#behind(others, names));
    const isBehind = this.#layout.normsBehind !== undefined && behindAttention !== undefined;
    const before = (norm: Norm | undefined) => (norm === undefined && isBehind ? [] : this.#norm(norm));
    const around = {
      ...{ layer: number, positions: this.#positions },
      ...{ queryNorm: this.#inner(layer, 'queryNorm'), keyNorm: this.#inner(layer, 'keyNorm') },
    };
    const first = [
      ...before(layer.attentionNorm),
      attentionOf(attention, this.#layout, facts, around),
      ...(behindAttention ? this.#norm(behindAttention) : []),
    ];
    const second = mlp && [...before(layer.mlpNorm), mlpOf(mlp), ...(behindMlp ? this.#norm(behindMlp) : [])];
    if (second === undefined) return [this.#beside(first)];
    return facts.isParallel() ? [this.#beside(first, second)] : [this.#beside(first), this.#beside(second)];
  }

  #beside(...branches: LayerOf<Place>[][]): ParallelOf<Place> {
    const beta = this.#facts.settings.number('residualFactor') ?? 1;
    return { type: 'parallel', branches, alpha: 1, beta };
  }

  /** A norm, or what stands there where it has no tensors. */
  #norm(norm: Norm | undefined): LayerOf<Place>[] {
    const { width } = this.#network;
    if (norm !== undefined) return [normOf(norm, width, this.#facts)];
    const kind = this.#facts.bareNorm();
    return kind === null ? [] : [normOf({ kind }, width, this.#facts)];
  }

  /** The norm behind a block, of which a `BlockNetwork` tells the name only. */
  #behind(others: readonly string[], names: readonly string[]): Norm | undefined {
    const found = others.find((name) => names.some((own) => name.endsWith(`.${own}.weight`)));
    return found === undefined ? undefined : this.#like(found);
  }

  /** The norm of queries or keys, beside their matrices. */
  #inner({ attention }: LayerBlocks, which: 'queryNorm' | 'keyNorm'): Norm | undefined {
    const names = this.#layout.attention[which];
    if (attention?.normalised !== true || names === undefined) return undefined;
    const [, before] = /^(.*\.\d+\.)/.exec(attention.output.tensor) ?? ['', ''];
    const found = names.map((name) => `${before}${name}.weight`).find((name) => this.#tensors.has(name));
    return found === undefined ? undefined : this.#like(found);
  }

  #like(gain: string): Norm {
    const fromOne = this.#layout.fromOne?.(this.#facts.settings) === true;
    return { kind: this.#layout.norm, gain: { tensor: gain }, ...(fromOne && { fromOne }) };
  }
}
