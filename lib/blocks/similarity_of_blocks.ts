import { Pacer } from '../cooperate.js';
import { selectBackend } from '../machines/select.js';
import type { LayerBlocks } from '../model/transformers/network.js';
import { compareLayer } from './compare.js';
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
 * numbers of layers; `INVALID_ARGUMENT`; the signal's reason if it is aborted
 */
export function similarityOfBlocks(a: string, b: string, options: BlockOptions = {}): Promise<BlocksResult> {
  const given = settleBlocks(options);
  return withBlocks(a, options, (f) => withBlocks(b, options, (g) => compare(f, g, given, options)));
}

async function compare(f: BlockFile, g: BlockFile, given: GivenSettings, options: BlockOptions): Promise<BlocksResult> {
  const [one, other] = [f.network, g.network];
  checkShape(f, g);
  const { align: alignment, window, backend, signal } = given;
  const methods = await methodsFor([f, g], given);
  const methodOf = (layer: LayerBlocks) => methods.get(layer)!;
  const settled = { ...given, methodOf };
  const { name } = await selectBackend(backend, { contractions: { dtype: 'float64' } }, signal);
  const ends: Partial<Record<End, WeightComparison>> = {};
  const layers = await walkLayers(
    [f, g],
    { what: 'pair', given, options, methodOf },
    (place) => compareLayer(f, one.layers[place], g, other.layers[place], settled),
    async (end) => {
      const found = await comparePieces(f, one[end], g, other[end], new Pacer(signal));
      if (found !== undefined) ends[end] = found;
    },
  );
  return {
    kind: 'blocks',
    a: await subjectOf(f, signal),
    b: await subjectOf(g, signal),
    width: one.width,
    ...{ input: 'standard', window, alignment, layers, ...ends },
    worst: worstOf(layers),
    backend: name,
  };
}
