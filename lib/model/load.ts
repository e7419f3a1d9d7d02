import { type Checkpoint, openCheckpoint } from '../formats/safetensors/read.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Blueprint, tensorAt, usedTensors } from './blueprint.js';
import { assembleModel } from './create.js';
import { checkFiniteInTurns } from './finite.js';
import { labelOf } from './labels.js';
import { mapLayer } from './layer.js';
import type { Model } from './model.js';
import { findSource, understand } from './source.js';

/** How a model is read from a file. */
export interface LoadOptions {
  /** Path of a model.json that describes the layers; see `Description`. Default: by the tensors' names, or a model.json beside. */
  readonly model?: string | undefined;
  /** Default: the file's name without its ending. */
  readonly label?: string | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a model from a safetensors file, the `.safetensors.index.json` of a sharded one, a folder that holds exactly one of these,
 * or a model.json that names its `weights`. Types, names and shapes are checked before any weight is read.
 *
 *     const model = await loadModel('step_06000.safetensors');
 *
 * @throws TensimError `FILE_NOT_FOUND`; `INVALID_FILE` for a damaged file or a description that does not fit; `UNSUPPORTED_LAYER` for
 * a model that is no known chain of layers; `UNSUPPORTED_DTYPE`, `SHAPE_MISMATCH`, `NOT_FINITE` naming the tensor.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const { signal } = options;
  signal?.throwIfAborted();
  const source = await findSource(path, options.model, signal);
  const checkpoint = await openCheckpoint(source.checkpoint, signal);
  try {
    const { blueprint } = await understand(checkpoint, source);
    const parameters = new Map<string, Tensor>();
    for await (const [name, tensor] of readWeights(checkpoint, blueprint, signal)) parameters.set(name, tensor);
    return assembleModel({
      label: options.label ?? labelOf(path),
      family: blueprint.family,
      layers: blueprint.layers.map((layer) => mapLayer(layer, (place) => tensorAt(place, parameters))),
      parameters,
      provenance: { file: path, sha256: await checkpoint.sha256(signal), metadata: checkpoint.metadata },
    });
  } finally {
    await checkpoint.close();
  }
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
