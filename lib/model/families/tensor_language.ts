import type { BilinearOf, LayerOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Tensors } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';
import { additive, attentionAt, countLayers, type Family, lerp, linearAt, matchNames } from './family.js';
import { linearNorm } from './linear_norm.js';
import { untold } from './refusals.js';

const LAYER = /^layers\.(0|[1-9]\d*)\./;
const SIDES = ['L', 'R', 'D'] as const;
/** What the config of a training says of the network, one or another of it. */
const DESCRIBING = ['spec', 'd_model', 'n_layer', 'n_params'];
/** Of the blocks, as these networks are trained. */
const SCALE = 0.5;

/**
 * A token model of quadratic attention and bilinear blocks in any order. Tensors `embed.weight` (V, d), whose rows are
 * the tokens, `layers.{i}.{q1,k1,q2,k2,v,o}.weight` (d, d) or `layers.{i}.{L,R}.weight` (h, d) and `layers.{i}.D.weight`
 * (d, h), `head.weight` (V, d), no biases. Settings `n_head`, `n_ctx`, `rotary_base`, `residual` of attention (`lerp`)
 * and `mlp_residual` (`add`), `scale` of a lerp (½), and `norm`: with an RMS norm before its layers a network has the
 * very same tensors, so that a config must say that there is none, or describe the network without one.
 */
export const tensorLanguage: Family = {
  name: 'tensor_language',
  looksFor: 'embed.weight, layers.{i}.{q1,k1,q2,k2,v,o}.weight or layers.{i}.{L,R,D}.weight, head.weight',
  match(tensors) {
    const layers = Array.from({ length: countLayers(tensors, LAYER) }, (_, index) =>
      partsOf(`layers.${index}`, tensors).map((part) => `layers.${index}.${part}.weight`),
    );
    return matchNames(tensors, ['embed.weight', ...layers.flat(), 'head.weight'], []);
  },
  blueprint(tensors, settings) {
    const layers = Array.from({ length: countLayers(tensors, LAYER) }, (_, index) => `layers.${index}`);
    refuseSoftmax(layers, tensors, settings);
    linearNorm(settings, DESCRIBING);
    const positions = settings.context();
    return {
      family: 'tensor_language',
      positions,
      layers: [
        { type: 'linear', weight: { tensor: 'embed.weight', transposed: true } },
        ...layers.map((layer) => layerAt(layer, tensors, settings)),
        linearAt('head', tensors),
      ],
    };
  },
};

const isBlock = (layer: string, tensors: Tensors): boolean =>
  SIDES.some((side) => tensors.has(`${layer}.${side}.weight`));
/** With a softmax there is one pattern, of one pair. */
const isSinglePair = (layer: string, tensors: Tensors): boolean =>
  tensors.has(`${layer}.q1.weight`) && !['q2', 'k2'].some((part) => tensors.has(`${layer}.${part}.weight`));

function partsOf(layer: string, tensors: Tensors): readonly string[] {
  if (isBlock(layer, tensors)) return SIDES;
  return isSinglePair(layer, tensors) ? ['q1', 'k1', 'v', 'o'] : ['q1', 'k1', 'q2', 'k2', 'v', 'o'];
}

function layerAt(layer: string, tensors: Tensors, settings: ModelSettings): LayerOf<Place> {
  const around = (kind: 'lerp' | 'add') => (kind === 'add' ? additive(1) : lerp(settings.scale('scale', SCALE)));
  if (isBlock(layer, tensors)) {
    const [left, right, down] = SIDES.map((side) => ({ tensor: `${layer}.${side}.weight` }));
    const residual = around(settings.residualKind('mlpResidual', 'add'));
    return { type: 'bilinear', left, right, down, ...residual } satisfies BilinearOf<Place>;
  }
  return attentionAt(layer, tensors, settings, around(settings.residualKind('residual', 'lerp')), 'causal');
}

/** @throws TensimError for patterns that a softmax makes, by a config or as there is only one pair of them. */
function refuseSoftmax(layers: readonly string[], tensors: Tensors, settings: ModelSettings): void {
  const kind = settings.attentionKind();
  const single = layers.find((layer) => isSinglePair(layer, tensors));
  if (single === undefined && !/softmax/i.test(kind?.value ?? '')) return;
  const why = [
    ...(single === undefined ? [] : [`${single} has q1 and k1, and no q2 and k2`]),
    ...(kind === undefined ? [] : [`${kind.from}: "${kind.value}"`]),
  ];
  throw untold(settings.file, `has a softmax in its attention (${why.join('; ')}), which is no polynomial`);
}
