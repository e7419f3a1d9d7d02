import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { smallest } from '../extremes.js';
import { selectBackend } from '../machines/select.js';
import { type BlockNetwork, type LayerBlocks, type Piece, piecesIn } from '../model/transformers/network.js';
import { findBasis, isCentred } from './align/basis.js';
import { compareLayer } from './compare.js';
import { impressionOf } from './impression.js';
import { checkInput } from './law/input.js';
import { type BlockLaws, withLaws } from './law/laws.js';
import { compareEnds } from './norms.js';
import { type BlockFile, withBlocks } from './open.js';
import { type GivenSettings, methodsFor, settleBlocks } from './settings.js';
import type { BlockOptions, BlockSubject, BlocksResult, LayerComparison, WeightComparison } from './terms.js';
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
  { onProgress }: BlockOptions,
): Promise<BlocksResult> {
  const [one, other] = [f.network, g.network];
  if (one.width !== other.width) throw unequal(f, g, `a residual stream of ${one.width}`, `of ${other.width}`);
  if (one.layers.length !== other.layers.length)
    throw unequal(f, g, `${one.layers.length} layers`, `has ${other.layers.length}`);
  const { align: alignment, window, backend, signal } = given;
  const methods = await methodsFor(f, [g], given);
  const basis = alignment === 'rotation' ? await findBasis(f, g, given) : undefined;
  const views = basis && ([viewOf(one, null), viewOf(other, basis.basis)] as const);
  const methodOf = ({ number }: LayerBlocks) => methods.get(number)!;
  const settled = { ...given, laws, methodOf, ...(views && { views }) };
  const { name } = await selectBackend(backend, { contractions: { dtype: 'float64' } }, signal);
  const ends: Partial<Record<End, WeightComparison>> = {};
  const layers: LayerComparison[] = [];
  const steps = inFileOrder(f);
  const total = one.layers.length;
  for (const step of steps) {
    onProgress?.({ phase: 'compare', done: layers.length, total });
    signal?.throwIfAborted();
    if (typeof step === 'number') {
      const [own, others] = [one.layers[step], other.layers[step]];
      await f.keep(piecesOf(own));
      await g.keep(piecesOf(others));
      layers.push(await compareLayer(f, own, g, others, settled));
    } else {
      const turned = step === 'embedding' || step === 'unembedding' ? basis?.[step] : undefined;
      const found = turned ?? (await comparePieces(f, one[step], g, other[step], new Pacer(signal)));
      if (found !== undefined) ends[step] = found;
    }
    for (const file of [f, g]) file.letGo();
  }
  layers.sort((a, b) => a.layer - b.layer);
  const norms = await compareEnds(f, g, new Pacer(signal));
  const differences = {
    a: await subjectOf(f, signal),
    b: await subjectOf(g, signal),
    ...{ width: one.width, input: laws.name, window, alignment, layers },
    ...(basis && { rotation: basis.about }),
    ...ends,
    ...(norms.length > 0 && { norms }),
  };
  return {
    kind: 'blocks',
    ...differences,
    worst: worstOf(layers),
    impression: impressionOf(differences),
    backend: name,
  };
}

const viewOf = (network: BlockNetwork, basis: Float64Array | null) => ({ basis, centres: isCentred(network) });

/** What stands at the ends of a network. */
const ENDS = ['embedding', 'positions', 'unembedding', 'unembeddingBias'] as const;
type End = (typeof ENDS)[number];

/** Layers by their places in the network, and what stands at its ends, in the order in which the first file has them. */
function inFileOrder({ network, placeOf }: BlockFile): (number | End)[] {
  const first = (pieces: readonly Piece[]) => smallest(pieces.map(placeOf));
  const steps: [place: number, step: number | End][] = network.layers.map((layer, at) => [first(piecesOf(layer)), at]);
  for (const end of ENDS) if (network[end] !== undefined) steps.push([placeOf(network[end]), end]);
  return steps.sort(([a], [b]) => a - b).map(([, step]) => step);
}

/** Of a layer, what is compared of it as a whole. */
function piecesOf({ attention, attentionNorm, mlp, mlpNorm, norms }: LayerBlocks): Piece[] {
  return [...piecesIn({ attention, attentionNorm, mlp, mlpNorm, norms })].map(([, piece]) => piece);
}

async function subjectOf(
  { path, checkpoint, network, settings }: BlockFile,
  signal?: AbortSignal,
): Promise<BlockSubject> {
  const sha256 = await checkpoint.sha256(signal);
  const left = [...network.others, ...network.layers.flatMap(({ others }) => others)];
  return { path, sha256, layout: network.layout, left, settings: Object.fromEntries(settings.told) };
}

function unequal(f: BlockFile, g: BlockFile, one: string, other: string): TensimError {
  return new TensimError('SHAPE_MISMATCH', `has ${one}, and "${g.path}" ${other}`, {
    file: f.path,
    hint: 'Blocks are compared between networks of one shape',
  });
}
