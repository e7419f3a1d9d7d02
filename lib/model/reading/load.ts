import { type Checkpoint, openCheckpoint } from '../../formats/checkpoint.js';
import { type LayerOf, mapLayer } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Tensor } from '../../tensor/tensor.js';
import { type Blueprint, tensorAt, usedTensors } from '../blueprint.js';
import { assembleModel } from '../create.js';
import { checkFiniteInTurns } from '../finite.js';
import { labelOf } from '../labels.js';
import type { Model } from '../model.js';
import type { ModelConfig } from '../settings.js';
import { findSource, understand } from './source.js';

/** How a model is read from a file. */
export interface LoadOptions {
  /** Path of a model.json that describes the layers; see `Description`. Default: by the tensors' names, or a model.json beside. */
  readonly model?: string | undefined;
  /**
   * What the tensors do not tell: heads, context length, scale, mask, rotary base; or the path of a config.json that says so, or its text.
   * It goes before the checkpoint's metadata, and that before a config.json beside the checkpoint.
   */
  readonly config?: ModelConfig | string | undefined;
  /** Default: the file's name without its ending. */
  readonly label?: string | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a model from a safetensors file, the `.safetensors.index.json` of a sharded one, a PyTorch checkpoint (`.pt`, `.pth`, `.bin`), a
 * folder that holds exactly one of these, or a model.json that names its `weights`. Types, names and shapes are checked before any
 * weight is read.
 *
 *     const model = await loadModel('step_06000.safetensors');
 *
 * A path can also be an address on the Hugging Face Hub, hf://OWNER/NAME[@REVISION]/PATH, or hf://datasets/… of a dataset: the file is then
 * fetched into the cache that its programs share, with the token in HF_TOKEN if there is one, and `provenance.revision` is the commit.
 *
 * @throws TensimError `FILE_NOT_FOUND`; `INVALID_FILE` for a damaged file or a description that does not fit; `UNSUPPORTED_LAYER` for
 * a model that is no known chain of layers; `UNSUPPORTED_DTYPE`, `SHAPE_MISMATCH`, `NOT_FINITE` naming the tensor.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const { signal } = options;
  signal?.throwIfAborted();
  const source = await findSource(path, options);
  const checkpoint = await openCheckpoint(source.checkpoint, signal);
  try {
    const { blueprint } = await understand(checkpoint, source);
    const parameters = new Map<string, Tensor>();
    for await (const [name, tensor] of readWeights(checkpoint, blueprint, signal)) parameters.set(name, tensor);
    return assembleModel({
      label: options.label ?? labelOf(path),
      family: blueprint.family,
      positions: blueprint.positions,
      layers: layersOf(blueprint, parameters),
      parameters,
      provenance: {
        file: path,
        ...(source.revision !== undefined && { revision: source.revision }),
        sha256: await checkpoint.sha256(signal),
        metadata: checkpoint.metadata,
      },
    });
  } finally {
    await checkpoint.close();
  }
}

/** The layers of a blueprint, with one tensor per place however often it is used. */
function layersOf(blueprint: Blueprint, parameters: ReadonlyMap<string, Tensor>): LayerOf<Tensor>[] {
  const made = new Map<string, Tensor>();
  const at = (place: Place): Tensor => {
    const key = JSON.stringify([place.tensor, place.half, place.transposed, place.energy]);
    const tensor = made.get(key) ?? tensorAt(place, parameters);
    made.set(key, tensor);
    return tensor;
  };
  return blueprint.layers.map((layer) => mapLayer(layer, at));
}

/**
 * The weights of a model one after the other, each finite.
 * @throws TensimError `NOT_FINITE` naming the tensor and the element.
 */
export async function* readWeights(
  checkpoint: Checkpoint,
  blueprint: Blueprint,
  signal: AbortSignal | undefined,
): AsyncGenerator<[name: string, tensor: Tensor]> {
  for (const name of usedTensors(blueprint, checkpoint.tensors)) {
    const tensor = Object.freeze(await checkpoint.read(name, signal));
    await checkFiniteInTurns(name, tensor, checkpoint.path, signal);
    yield [name, tensor];
  }
}
