import { TensimError } from '../../errors.js';
import { createModel } from '../../model/create.js';
import type { Layer, Model } from '../../model/model.js';
import { similarityMatrix } from '../matrix.js';
import { sourceOf } from '../members/source.js';
import type { SimilarityOptions } from '../terms/types.js';
import type { ExchangeExplanation, Hybrid } from './types.js';

/**
 * Exchanges one layer after the other between two models and compares every hybrid with both. All models go into one
 * matrix, so that each is prepared once and sampled methods draw the same inputs for all.
 * @throws TensimError `SHAPE_MISMATCH` for chains that differ in their layers or in the sizes between them.
 */
export async function explainByExchange(a: Model, b: Model, options: SimilarityOptions): Promise<ExchangeExplanation> {
  requireSameLayers(a, b);
  const count = a.layers.length;
  // The two themselves are made anew as well: the names of parameters, which `weights` compares, are then those of the
  // hybrids.
  const models = [withLayers(a, a.layers, a.label), withLayers(b, b.layers, b.label)];
  for (let k = 0; k < count; k++) {
    models.push(withLayers(a, exchanged(a, b, k), `"${a.label}" with layer ${k + 1} of "${b.label}"`));
    models.push(withLayers(b, exchanged(b, a, k), `"${b.label}" with layer ${k + 1} of "${a.label}"`));
  }
  const { kind, cosine, cosineError, labels, gram, behaviour, direction, difference, ...info } = await similarityMatrix(
    models,
    options,
  );
  const hybrid = (index: number): Hybrid => ({ toA: cosine[index][0], toB: cosine[index][1] });
  return {
    kind: 'exchange',
    a: a.label,
    b: b.label,
    ...info,
    sources: [sourceOf(a), sourceOf(b)],
    similarity: cosine[0][1],
    layers: a.layers.map(({ type }, k) => {
      const [intoA, intoB] = [hybrid(2 + 2 * k), hybrid(3 + 2 * k)];
      return { layer: k + 1, type, intoA, intoB, change: 1 - (intoA.toA + intoB.toB) / 2 };
    }),
  };
}

function withLayers({ inputShape: [positions] }: Model, layers: readonly Layer[], label: string): Model {
  return createModel({ layers, positions, label });
}

/** The layers of `target` with layer `k` of `source`. */
function exchanged(target: Model, source: Model, k: number): readonly Layer[] {
  return target.layers.map((layer, i) => (i === k ? source.layers[i] : layer));
}

function requireSameLayers(a: Model, b: Model): void {
  const kinds = ({ layers }: Model) => layers.map(({ type }) => type).join(', ');
  if (kinds(a) === kinds(b)) return;
  throw new TensimError(
    'SHAPE_MISMATCH',
    `"${a.label}" consists of ${kinds(a)} and "${b.label}" of ${kinds(b)}: they have no layers to exchange`,
    { hint: 'Models of several blocks are explained by exchanging layers, for which they must have the same ones' },
  );
}
