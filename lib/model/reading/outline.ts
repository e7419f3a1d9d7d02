import { createHash } from 'node:crypto';
import { openCheckpoint } from '../../formats/checkpoint.js';
import { type LayerOf, mapLayer } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { shapeAt, type TensorInfo, usedTensors } from '../blueprint.js';
import { labelOf } from '../labels.js';
import type { Model } from '../model.js';
import type { LoadOptions } from './load.js';
import { findSource, understand } from './source.js';

/** What can be said about a model without its weights; a model is an outline of itself. */
export interface Outline extends Pick<Model, 'label' | 'inputShape' | 'outputShape' | 'provenance'> {
  readonly layers: readonly LayerOf<ShapeOnly>[];
  readonly parameters: ReadonlyMap<string, ShapeOnly>;
}

/** The outline of a model in a file. */
export interface FileOutline extends Outline {
  /** Equal for two files only if they hold the same model: a digest of the file's bytes and of how they are read. */
  readonly identity: string;
}

/**
 * Reads the outline of a model from its file: the header is understood and checked as `loadModel` does, the weights are only hashed.
 * @throws TensimError as `loadModel`, but for what is in the weights.
 */
export async function loadOutline(path: string, options: LoadOptions = {}): Promise<FileOutline> {
  const { signal } = options;
  signal?.throwIfAborted();
  const source = await findSource(path, options);
  const checkpoint = await openCheckpoint(source.checkpoint, signal);
  try {
    const { blueprint, chain } = await understand(checkpoint, source);
    const { tensors, metadata } = checkpoint;
    const sha256 = await checkpoint.sha256(signal);
    return {
      label: options.label ?? labelOf(path),
      layers: blueprint.layers.map(
        (layer): LayerOf<ShapeOnly> => mapLayer(layer, (place: Place) => ({ shape: shapeAt(place, tensors) })),
      ),
      inputShape: [blueprint.positions, chain.inputs],
      outputShape: [blueprint.positions, chain.outputs],
      parameters: new Map(usedTensors(blueprint, tensors).map((name) => [name, tensors.get(name) as TensorInfo])),
      provenance: { file: path, ...(source.revision !== undefined && { revision: source.revision }), sha256, metadata },
      identity: createHash('sha256').update(sha256).update(JSON.stringify(blueprint)).digest('hex'),
    };
  } finally {
    await checkpoint.close();
  }
}
