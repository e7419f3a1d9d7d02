import { Pacer } from '../../cooperate.js';
import { createModel, type LayerDefinition } from '../../model/create.js';
import type { RowProducts } from '../circuits/heads.js';
import type { MlpMethod } from '../mlps/choose.js';
import { comparedWhole, compareMlpPair, type MlpSettings } from '../mlps/compare.js';
import type { MlpSource } from '../mlps/source.js';
import type { MlpComparison } from '../terms.js';
import { type BlockLaw, behind, whitenedLaw } from './laws.js';
import { onSphere } from './sphere/mlps.js';

/**
 * Compares two MLPs of one width under a law.
 * @param multiply for what is compared by series of its own
 */
export async function compareUnder(
  law: BlockLaw,
  pair: readonly [MlpSource, MlpSource],
  method: MlpMethod,
  multiply: RowProducts,
  settings: Omit<MlpSettings, 'law'>,
): Promise<MlpComparison> {
  const [{ centres }, other] = pair;
  const models = async () => {
    const [a, b] = [await modelUnder(law, pair[0]), await modelUnder(law, pair[1])];
    return [a, b] as const;
  };
  const found = async () => {
    if (law.kind === 'sphere') {
      const [a, b] = await models();
      const dimensions = a.inputShape[1] - (centres && other.centres ? 1 : 0);
      const { backend, threads, signal } = settings;
      return onSphere(a, b, dimensions, multiply, { backend, threads, signal });
    }
    // Moments stand behind the norm, which may not be of one kind: then each MLP has its own law.
    if (method === 'whole' || (law.kind === 'moments' && centres !== other.centres))
      return comparedWhole(await models(), settings);
    return compareMlpPair(pair, method, {
      ...settings,
      law: await whitenedLaw(law, centres, new Pacer(settings.signal)),
    });
  };
  return { ...(await found()), ...lawFields(law) };
}

async function modelUnder(law: BlockLaw, { definition, centres, label }: MlpSource) {
  return createModel({ layers: [...(await whitening(law, centres)), await definition()], label });
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
