import { createModel, type LayerDefinition } from '../../model/create.js';
import { similarity } from '../../similarity/similarity.js';
import type { SimilarityOptions } from '../../similarity/terms/types.js';
import type { RowProducts } from '../circuits/heads.js';
import type { MlpComparison } from '../terms.js';
import { type BlockLaw, behind } from './laws.js';
import { onSphere } from './sphere/mlps.js';

/** An MLP as a function of what its norm gives before its gain. */
export interface MlpFunction {
  readonly layer: LayerDefinition;
  /** The norm before it is a layer norm. */
  readonly centres: boolean;
  /** What errors call it. */
  readonly label: string;
}

/**
 * Compares two MLPs of one width under a law.
 * @param multiply for what is compared by series of its own
 */
export async function compareUnder(
  law: BlockLaw,
  f: MlpFunction,
  g: MlpFunction,
  multiply: RowProducts,
  options: Pick<SimilarityOptions, 'backend' | 'threads' | 'signal'>,
): Promise<MlpComparison> {
  const under = async ({ layer, centres, label }: MlpFunction) =>
    createModel({ layers: [...(await whitening(law, centres)), layer], label });
  const [a, b] = [await under(f), await under(g)];
  if (law.kind === 'sphere') {
    const dimensions = a.inputShape[1] - (f.centres && g.centres ? 1 : 0);
    return { ...(await onSphere(a, b, dimensions, multiply, options)), ...lawFields(law) };
  }
  const found = await similarity(a, b, { degrees: true, ...options });
  const { similarity: cosine, fidelityError, exact, standardError, certified, degrees } = found;
  return {
    similarity: cosine,
    fidelityError: Math.max(0, fidelityError),
    exact,
    standardError,
    ...(certified !== undefined && { certified }),
    ...(degrees && { byDegree: degrees }),
    ...lawFields(law),
  };
}

/** What a comparison says of the law that it stands under. */
export function lawFields(law: BlockLaw): Pick<MlpComparison, 'input' | 'extent'> {
  return { input: law.name, ...(law.kind === 'moments' && { extent: law.extent }) };
}

/** z ↦ mean + C z, as the layer before. */
async function whitening(law: BlockLaw, centres: boolean): Promise<LayerDefinition[]> {
  if (law.kind !== 'moments') return [];
  const { mean, factor, columns } = await behind(law, centres);
  const d = mean.length;
  const weight = { data: factor, shape: [d, columns], strides: [1, d] };
  return [{ type: 'linear', weight, bias: { data: mean, shape: [d] } }];
}
