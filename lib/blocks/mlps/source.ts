import { partsOf as partsOfLayer } from '../../layers/layer.js';
import { createModel, type LayerDefinition } from '../../model/create.js';
import type { Layer } from '../../model/model.js';
import type { LayerBlocks } from '../../model/transformers/network.js';
import type { Span } from '../../model/transformers/pieces.js';
import type { BlockFile } from '../open.js';
import { type MlpDefinition, mlpLayer } from '../parts/mlp.js';
import { readGain } from '../parts/reader.js';

/** Sizes of an MLP, which its file tells before any weight is read. */
export interface MlpShape {
  /** d, of the stream. */
  readonly width: number;
  readonly units: number;
  readonly gated: boolean;
}

/** An MLP behind its norm, of which some units at a time are in memory. */
export interface MlpSource extends MlpShape {
  /** For messages. */
  readonly label: string;
  /** The norm before it is a layer norm. */
  readonly centres: boolean;
  /** What the norm multiplied the weights of the units by, (d), where they are nothing but that. */
  readonly gain?: Float64Array | undefined;
  /**
   * The part of these units, or all of it, as one layer.
   * @throws TensimError `NOT_FINITE`
   */
  readonly part: (units?: Span) => Promise<Layer>;
  /** Takes back the weights of a part that nobody reads any more. */
  readonly done: (part: Layer) => void;
  readonly definition: () => Promise<LayerDefinition>;
}

/** The sizes of the MLP of a layer, or of its experts; undefined where it has none. */
export function mlpShape({ network: { width }, extent }: BlockFile, layer: LayerBlocks): MlpShape | undefined {
  const mlp = layer.mlp ?? layer.experts?.experts[0];
  return mlp && { width, units: extent(mlp.up)[0], gated: mlp.gate !== undefined };
}

/**
 * The MLP of a layer that has one.
 * @param inView what is made of it, or of a part of it, before it is compared
 */
export async function mlpSource(
  file: BlockFile,
  layer: LayerBlocks,
  inView?: ((definition: MlpDefinition) => Promise<MlpDefinition>) | undefined,
): Promise<MlpSource> {
  const { path, read, done } = file;
  const { mlp, mlpNorm, number } = layer;
  const shape = mlpShape(file, layer)!;
  const norm = await readGain(mlpNorm, read);
  const label = `the MLP of layer ${number} of ${path}`;
  const definition = async (units?: Span) => {
    const own = await mlpLayer(mlp!, norm, shape.width, read, units);
    return inView === undefined ? own : inView(own);
  };
  return {
    ...shape,
    label,
    centres: norm.centres,
    ...(norm.gain !== null && !norm.centres && inView === undefined && { gain: norm.gain }),
    definition: () => definition(),
    done: (part) => done(weightsOf(part)),
    part: async (units) => createModel({ layers: [await definition(units)], label }).layers[0],
  };
}

/** The arrays of a part. */
export function* weightsOf(layer: Layer): Generator<Float64Array> {
  for (const [, { data }] of partsOfLayer(layer)) if (data instanceof Float64Array) yield data;
}

/** Units of an MLP, some at a time. */
export function* partsOf({ units }: MlpShape, step: number): Generator<Span> {
  for (let from = 0; from < units; from += step) yield { from, to: Math.min(units, from + step) };
}
