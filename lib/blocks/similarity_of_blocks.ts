import { Pacer } from '../cooperate.js';
import { selectBackend } from '../machines/select.js';
import type { BlockNetwork, LayerBlocks } from '../model/transformers/network.js';
import { plainly } from '../similarity/terms/plain.js';
import { findBasis, isCentred } from './align/basis.js';
import { compareLayer } from './compare.js';
import { digestOf } from './content.js';
import { impressionOf } from './impression.js';
import { checkInput } from './law/input.js';
import { type BlockLaws, digestOfLaws, withLaws } from './law/laws.js';
import { compareEnds } from './norms.js';
import { type BlockFile, withBlocks } from './open.js';
import { type GivenSettings, methodsFor, settleBlocks } from './settings.js';
import type { BlockOptions, BlocksResult, WeightComparison } from './terms.js';
import { checkShape, type End, subjectOf, walkLayers } from './walk.js';
import { comparePieces } from './weights.js';
import { worstOf } from './worst.js';

/**
 * Where two transformers differ, block by block, from their weights alone: MLPs as functions of a normalised input,
 * attention by its circuits (QK: which scores positions give each other; OV: what a head writes of what it reads),
 * softmax left out (MATH.md sections 10 to 13). Each network's gains are folded into its own weights; both write the
 * residual stream in the same basis. One layer is in memory at a time.
 *
 *     const { layers, worst } = await similarityOfBlocks('base.safetensors', 'tuned.safetensors');
 *
 * @param a path, folder or `hf://` address of a transformer whose layout is known; its config.json is read beside it
 * @throws TensimError (rejects) as `loadModel`; `UNSUPPORTED_LAYER` for a network of no known layout; `INVALID_FILE`
 * where tensors are missing, or nobody says how many heads there are; `SHAPE_MISMATCH` for networks of other widths or
 * numbers of layers; as `InputLaw` for moments that are none, `INVALID_ARGUMENT`; the signal's reason if it is aborted
 */
export function similarityOfBlocks(a: string, b: string, options: BlockOptions = {}): Promise<BlocksResult> {
  const { input = 'standard', signal } = options;
  const given = settleBlocks(options);
  checkInput(input);
  return withBlocks(a, options, (f) =>
    withBlocks(b, options, (g) =>
      withLaws(input, f.network.width, signal, (laws) => compare(f, g, given, laws, options)),
    ),
  );
}

async function compare(
  f: BlockFile,
  g: BlockFile,
  given: GivenSettings,
  laws: BlockLaws,
  options: BlockOptions,
): Promise<BlocksResult> {
  const [one, other] = [f.network, g.network];
  checkShape(f, g);
  const { align: alignment, window, backend, signal } = given;
  const methods = await methodsFor([f, g], given);
  const basis = alignment === 'rotation' ? await findBasis(f, g, given) : undefined;
  const views = basis && ([viewOf(one, null), viewOf(other, basis.basis)] as const);
  const methodOf = ({ number }: LayerBlocks) => methods.get(number)!;
  const settled = { ...given, laws, methodOf, ...(views && { views }) };
  const { name } = await selectBackend(backend, { contractions: { dtype: 'float64' } }, signal);
  const ends: Partial<Record<End, WeightComparison>> = {};
  const turned = basis && [views![1].centres, basis.basis && digestOf(basis.basis)];
  const about = async (place: number) => [await digestOfLaws(laws, one.layers[place].number), turned];
  const layers = await walkLayers(
    [f, g],
    { what: 'pair', given, options, methodOf, about },
    (place) => compareLayer(f, one.layers[place], g, other.layers[place], settled),
    async (end) => {
      const own = end === 'embedding' || end === 'unembedding' ? basis?.[end] : undefined;
      const found = own ?? (await comparePieces(f, one[end], g, other[end], new Pacer(signal)));
      if (found !== undefined) ends[end] = found;
    },
  );
  const norms = await compareEnds(f, g, new Pacer(signal));
  const differences = {
    a: await subjectOf(f, signal),
    b: await subjectOf(g, signal),
    ...{ width: one.width, input: laws.name, window, alignment, layers },
    ...(basis && { rotation: basis.about }),
    ...ends,
    ...(norms.length > 0 && { norms }),
  };
  return plainly<BlocksResult>({
    kind: 'blocks',
    ...differences,
    worst: worstOf(layers),
    impression: impressionOf(differences),
    backend: name,
  });
}

const viewOf = (network: BlockNetwork, basis: Float64Array | null) => ({ basis, centres: isCentred(network) });
