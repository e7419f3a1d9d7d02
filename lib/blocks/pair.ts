import { Pacer } from '../cooperate.js';
import { selectBackend } from '../machines/select.js';
import type { BlockNetwork, LayerBlocks } from '../model/transformers/network.js';
import { plainly } from '../similarity/terms/plain.js';
import { findBasis, isCentred } from './align/basis.js';
import { compareLayer } from './compare.js';
import type { BlockComparison, FoundBlocks } from './comparison.js';
import { digestOf } from './content.js';
import { impressionOf } from './impression.js';
import { checkInput } from './law/input.js';
import { type BlockLaws, digestOfLaws, withLaws } from './law/laws.js';
import { compareEnds } from './norms.js';
import { type BlockFile, withBlocks } from './open.js';
import { type GivenSettings, type PlanMlps, plannedMlps, settleBlocks } from './settings.js';
import type { BlockOptions, BlocksResult, LayerComparison } from './terms.js';
import { checkShape } from './walk.js';
import { comparePieces } from './weights.js';
import { worstOf } from './worst.js';

/**
 * Opens two networks, to be compared by `use`.
 * @throws TensimError as `similarityOfBlocks`
 */
export function withPair<Result>(
  a: string,
  b: string,
  options: BlockOptions,
  use: (comparison: BlockComparison<LayerComparison>) => Promise<Result>,
  plan = plannedMlps,
): Promise<Result> {
  const { input = 'standard', signal } = options;
  const given = settleBlocks(options);
  checkInput(input);
  return withBlocks(a, options, (f) =>
    withBlocks(b, options, (g) =>
      withLaws(input, f.network.width, signal, async (laws) => use(await comparisonOf(f, g, given, laws, plan))),
    ),
  );
}

async function comparisonOf(
  f: BlockFile,
  g: BlockFile,
  asked: GivenSettings,
  laws: BlockLaws,
  plan: PlanMlps,
): Promise<BlockComparison<LayerComparison>> {
  const [one, other] = [f.network, g.network];
  checkShape(f, g);
  const { methods, chosen, given } = await plan([f, g], asked);
  const { align: alignment, backend, signal } = given;
  const basis = alignment === 'rotation' ? await findBasis(f, g, given) : undefined;
  const views = basis && ([viewOf(one, null), viewOf(other, basis.basis)] as const);
  const methodOf = ({ number }: LayerBlocks) => methods.get(number)!;
  const settled = { ...given, laws, methodOf, ...(views && { views }) };
  const { name } = await selectBackend(backend, { contractions: { dtype: 'float64' } }, signal);
  const turned = basis && [views![1].centres, basis.basis && digestOf(basis.basis)];
  return {
    ...{ what: 'pair', files: [f, g], given, laws, methodOf, backend: name, chosen },
    about: async (place) => [await digestOfLaws(laws, one.layers[place].number), turned],
    layerOf: (place) => compareLayer(f, one.layers[place], g, other.layers[place], settled),
    ends: {
      of: async (end) => {
        const own = end === 'embedding' || end === 'unembedding' ? basis?.[end] : undefined;
        return own ?? comparePieces(f, one[end], g, other[end], new Pacer(signal));
      },
      norms: () => compareEnds(f, g, new Pacer(signal)),
    },
    ...(basis && { rotation: { about: basis.about, digest: turned } }),
  };
}

const viewOf = (network: BlockNetwork, basis: Float64Array | null) => ({ basis, centres: isCentred(network) });

/** What two networks have in common, of all that was found. */
export function pairResult(found: FoundBlocks<LayerComparison>): BlocksResult {
  const { networks, width, input, window, alignment, rotation, layers, ends, norms, backend, chosen = [] } = found;
  const [a, b] = networks;
  const differences = {
    ...{ a, b, width, input, window, alignment, layers },
    ...(rotation && { rotation }),
    ...ends,
    ...(norms.length > 0 && { norms }),
  };
  return plainly<BlocksResult>({
    kind: 'blocks',
    ...differences,
    worst: worstOf(layers),
    impression: impressionOf(differences),
    backend,
    ...(chosen.length > 0 && { mlpBackends: chosen }),
  });
}
