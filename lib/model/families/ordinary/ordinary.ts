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
import { Facts, isRun } from './facts.js';
import { attentionOf, linearOf, mlpOf, normOf, placeOf } from './parts.js';

/** Positions of an input where nobody says how many, and the network knows more. */
const POSITIONS = 32;

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
  return layout !== undefined && isRun(layout) && isWhole(layout, tensors) ? layout : undefined;
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
  const outputs = attention.output.flatMap(naming.weight);
  return (
    embedding.flatMap(naming.weight).some((name) => tensors.has(name)) &&
    [...tensors.keys()].some((name) => outputs.includes(layer.exec(name)?.[2] ?? ''))
  );
}

/** Makes the chain of a network. */
class Chain {
  readonly #layout: Layout;
  readonly #network: BlockNetwork;
  readonly #facts: Facts;
  readonly #tensors: Tensors;
  readonly #positions: number;

  constructor(layout: Layout, network: BlockNetwork, facts: Facts, tensors: Tensors, positions: number | undefined) {
    this.#layout = layout;
    this.#network = network;
    this.#facts = facts;
    this.#tensors = tensors;
    if (positions !== undefined) facts.note('used', positions, 'given');
    this.#positions = positions ?? this.#usualPositions();
  }

  ordinary(): Ordinary {
    const {
      layout: family,
      embedding,
      unembedding,
      layers,
      width,
      positions,
      embeddingNorm,
      unembeddingBias,
    } = this.#network;
    const facts = this.#facts;
    const { file } = facts.settings;
    const odd = layers.find(({ number }, i) => number !== i);
    if (odd !== undefined)
      throw untold(file, `has a layer ${odd.number} without one before it, and is a part of a transformer`);
    if (unembedding === undefined) this.#checkTied();
    const scale = (facts.settings.number('embeddingFactor') ?? 1) * (facts.isGemma ? Math.sqrt(width) : 1);
    const chain: LayerOf<Place>[] = [
      linearOf(embedding!, scale, true),
      ...(embeddingNorm === undefined ? [] : this.#norm(embeddingNorm)),
      ...(positions === undefined ? [] : [{ type: 'positions' as const, weight: placeOf(positions) }]),
      ...layers.flatMap((layer) => this.#layer(layer)),
      ...this.#norm(this.#finalNorm()),
      linearOf(unembedding ?? embedding!, 1 / (facts.settings.number('logitDivisor') ?? 1), false, unembeddingBias),
    ];
    const blueprint: Blueprint = { family, positions: this.#positions, layers: chain };
    this.#checkAllUsed(blueprint);
    return { blueprint, settings: facts.asked };
  }

  #usualPositions(): number {
    const { settings } = this.#facts;
    const { positions } = this.#network;
    const learned = positions && this.#tensors.get(positions.tensor)!.shape[0];
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
    const { number, attention, mlp, experts, attentionNorm, mlpNorm, norms = {}, uncompared = [] } = layer;
    const facts = this.#facts;
    const { file } = facts.settings;
    const { name } = this.#layout;
    if (experts !== undefined) throw untold(file, 'has experts, which are not run as a whole', COMPARE_BLOCKS);
    for (const { part, reason } of uncompared)
      throw untold(file, `is not run as a whole: in layer ${number} the ${part} ${reason}`, COMPARE_BLOCKS);
    if (attention === undefined || (mlp === undefined && this.#layout.headsApart !== true)) {
      const part = attention === undefined ? 'attention' : 'an MLP that is known';
      throw untold(file, `is a transformer as ${name} names it, without ${part} in layer ${number}`, COMPARE_BLOCKS);
    }
    const isParallel = mlp !== undefined && facts.isParallel();
    const own = attentionNorm?.gain?.tensor;
    if (mlp !== undefined && !isParallel && own !== undefined && own === mlpNorm?.gain?.tensor)
      throw untold(
        file,
        `is a transformer as ${name} names it, with one norm in layer ${number}, not two`,
        COMPARE_BLOCKS,
      );
    const around = { layer: number, positions: this.#positions, queryNorm: norms.query, keyNorm: norms.key };
    for (const norm of [norms.query, norms.key])
      if (norm !== undefined && (norm.kind !== 'rms' || norm.bias !== undefined))
        throw untold(
          file,
          `normalises queries and keys of layer ${number} by a layer norm, which is not run`,
          COMPARE_BLOCKS,
        );
    const first = [
      ...this.#norm(attentionNorm),
      attentionOf(attention, this.#layout, facts, around),
      ...this.#norm(norms.behindAttention),
    ];
    if (mlp === undefined) return [this.#beside(first)];
    const second = [...this.#norm(mlpNorm), mlpOf(mlp), ...this.#norm(norms.behindMlp)];
    return isParallel ? [this.#beside(first, second)] : [this.#beside(first), this.#beside(second)];
  }

  #beside(...branches: LayerOf<Place>[][]): ParallelOf<Place> {
    const beta = this.#facts.settings.number('residualFactor') ?? 1;
    return { type: 'parallel', branches, alpha: 1, beta };
  }

  #norm(norm: Norm | undefined): LayerOf<Place>[] {
    return norm === undefined ? [] : [normOf(norm, this.#network.width, this.#facts)];
  }

  /**
   * Behind the last layer: without weights where norms before blocks have none.
   * @throws TensimError for a network that has norms everywhere else
   */
  #finalNorm(): Norm | undefined {
    const { finalNorm, layers } = this.#network;
    if (finalNorm !== undefined) return finalNorm;
    const norms = layers.flatMap(({ attentionNorm, mlpNorm, norms: others = {} }) => [
      ...[attentionNorm, mlpNorm, others.behindAttention, others.behindMlp],
    ]);
    const found = norms.find((norm) => norm !== undefined);
    if (found === undefined || (found.gain === undefined && found.bias === undefined)) return found;
    const { file } = this.#facts.settings;
    throw untold(file, `is a transformer as ${this.#layout.name} names it, without its last norm`, COMPARE_BLOCKS);
  }
}
