import { TensimError } from '../../../errors.js';
import { quoted } from '../../../words/names.js';
import type { Tensors } from '../../blueprint.js';
import type { BlockNetwork, LayerBlocks, Piece, Uncompared } from '../network.js';
import { extentOf } from '../pieces.js';
import type { BlockSettings } from '../settings.js';
import { attentionOf } from './attention.js';
import { type Layout, PLAIN } from './layout.js';
import { expertsOf, mlpOf } from './mlp.js';
import { normsOf } from './norms.js';
import { refuseQuantised } from './quantised.js';
import { Scope } from './scope.js';
import { splitLayers, type View } from './view.js';

/** Whether a network's names are those of a layout. */
export function fits({ layer, signs, signsOutside, naming = PLAIN }: Layout, tensors: Tensors): boolean {
  if (signsOutside !== undefined && !signsOutside.flatMap(naming.gain).some((name) => tensors.has(name))) return false;
  const sought = signs.flatMap((sign) => [...naming.weight(sign), ...naming.bias(sign)]);
  for (const name of tensors.keys()) {
    const within = layer.exec(name)?.[2];
    if (within !== undefined && sought.includes(within)) return true;
  }
  return false;
}

/**
 * The blocks of a network whose names are those of a layout.
 * @throws TensimError `INVALID_FILE` for tensors that are missing, by their names, and for what nobody says that must be
 * said; `SHAPE_MISMATCH` for shapes that do not fit what is said; `UNSUPPORTED_DTYPE` for quantised weights
 */
export function networkOf(layout: Layout, tensors: Tensors, settings: BlockSettings): BlockNetwork {
  const { layers, outside } = splitLayers(tensors, layout.layer);
  const scope = new Scope(layout, tensors, settings, outside, widthOf(layout, tensors, layers, outside));
  const views = [...layers];
  const isThere = (view: View) => partsIn(scope, view);
  const found = views.map(([number, view]) => layerOf(scope, number, view, isThere(view)));
  const missing = views.flatMap(([number, view]) => view.missing.map((name) => `${name} (layer ${number})`));
  if (missing.length > 0) {
    refuseQuantised(tensors, settings.file);
    throw new TensimError('INVALID_FILE', `is a transformer as ${layout.name} names it, without ${quoted(missing)}`, {
      file: settings.file,
      hint: 'The file is a part of a model, or was cut: get all of its files',
    });
  }
  // What is missing is told before what nobody says.
  const normed = found.map((layer, at): LayerBlocks => {
    const view = views[at][1];
    const { attention, mlp, experts } = isThere(view);
    const norms = normsOf(scope, view, {
      attention,
      mlp: mlp || experts,
      before: views[at - 1]?.[1],
      isLast: at === views.length - 1,
    });
    return { ...layer, ...norms, others: [] };
  });
  const ends = endsOf(scope);
  const network = {
    layout: layout.name,
    width: scope.width,
    layers: normed.map((layer, at) => ({ ...layer, others: views[at][1].rest })),
    ...ends,
    others: outside.rest,
  };
  refuseQuantised(tensors, settings.file, network);
  return network;
}

/** What stands before the first layer and behind the last. */
function endsOf(scope: Scope): Partial<BlockNetwork> {
  const { layout, outside } = scope;
  const embedding = outside.optional(scope.weights(layout.embedding));
  const positions = layout.positions && outside.optional([...scope.weights(layout.positions), ...layout.positions]);
  const embeddingNorm = layout.embeddingNorm && scope.norm(outside, layout.embeddingNorm);
  const finalNorm = scope.norm(outside, layout.finalNorm);
  const unembedding = outside.optional(
    scope.weights(layout.unembedding),
    layout.headsApart && { transposed: true as const },
  );
  const unembeddingBias = outside.optional(scope.biases(layout.unembedding));
  return {
    ...(embedding && { embedding }),
    ...(positions && { positions }),
    ...(embeddingNorm && { embeddingNorm }),
    ...(finalNorm && { finalNorm }),
    ...(unembedding && { unembedding }),
    ...(unembeddingBias && { unembeddingBias }),
  };
}

/** d: what a norm of the first layer has, or the embedding in a row, or what attention or an MLP gives. */
function widthOf(layout: Layout, tensors: Tensors, layers: ReadonlyMap<number, View>, outside: View): number {
  const { naming = PLAIN } = layout;
  const norms = [layout.attentionNorm, layout.mlpNorm, layout.behindAttention ?? [], layout.behindMlp ?? []];
  const [first] = layers.values();
  const norm = first?.find(norms.flat().flatMap(naming.gain));
  if (norm !== undefined) return first.shape(norm)[0];
  const embedding: Piece | undefined = outside.optional(layout.embedding.flatMap(naming.weight));
  const own = embedding && extentOf(embedding, tensors.get(embedding.tensor)!)?.[1];
  if (own !== undefined) return own;
  const output = first?.find([...layout.attention.output, ...layout.mlp.down].flatMap(naming.weight));
  if (output === undefined) return 0;
  const isTurned = layout.headsApart ?? layout.transposed?.(first) === true;
  return first.shape(output).at(isTurned ? -1 : 0)!;
}

/** Which blocks a layer has. */
interface Parts {
  readonly attention: boolean;
  readonly mlp: boolean;
  readonly experts: boolean;
}

/** Which blocks a layer has, as one of their matrices is there. */
function partsIn(scope: Scope, view: View): Parts {
  const { attention, mlp, experts } = scope.layout;
  const { query, packed, output } = attention;
  return {
    attention: [query, packed, output].some((names) => scope.has(view, names)),
    mlp: [mlp.gate, mlp.up, mlp.packed, mlp.down].some((names) => scope.has(view, names)),
    experts: scope.has(view, experts?.router),
  };
}

function layerOf(scope: Scope, number: number, view: View, { attention, mlp }: Parts): LayerBlocks {
  const { layout } = scope;
  const isTransposed = layout.transposed?.(view) === true;
  const experts = expertsOf(scope, view);
  const otherAttention = layout.otherAttention?.(view, scope.settings);
  const otherMlp = layout.otherMlp?.(view, scope.settings);
  const reasons: readonly (readonly [Uncompared['part'], string | undefined])[] = [
    ['attention', otherAttention ?? layout.partOfAttention?.(view)],
    ['mlp', otherMlp],
    ['experts', experts?.reason],
  ];
  const uncompared = reasons.flatMap(([part, reason]) => (reason === undefined ? [] : [{ part, reason }]));
  return {
    number,
    ...(attention && !otherAttention && { attention: attentionOf(scope, view, number, isTransposed) }),
    ...(mlp && !otherMlp && { mlp: mlpOf(scope, view, layout.mlp, isTransposed ? { transposed: true } : {}) }),
    ...(experts && { experts: experts.experts }),
    ...(uncompared.length > 0 && { uncompared }),
    others: [],
  };
}
