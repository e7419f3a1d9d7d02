import { commonOf, type End } from './comparison.js';
import { withLayerLog } from './layer_log.js';
import { pairResult, withPair } from './pair.js';
import type { BlockOptions, BlocksResult, WeightComparison } from './terms.js';
import { subjectOf, walkLayers } from './walk.js';

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
  const { state, signal, onProgress } = options;
  return withPair(a, b, options, async (comparison) => {
    const ends: Partial<Record<End, WeightComparison>> = {};
    const endOf = async (end: End) => {
      const found = await comparison.ends!.of(end);
      if (found !== undefined) ends[end] = found;
    };
    const layers = await withLayerLog(state, (log) => walkLayers(comparison, { endOf, log, onProgress, signal }));
    const norms = await comparison.ends!.norms();
    const networks = [];
    for (const file of comparison.files) networks.push(await subjectOf(file, signal));
    return pairResult({ ...commonOf(comparison), networks, layers, ends, norms });
  });
}
