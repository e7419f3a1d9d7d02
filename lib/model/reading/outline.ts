import { createHash } from 'node:crypto';
import { TensimError } from '../../errors.js';
import type { Stamp } from '../../formats/stamp.js';
import { type LayerOf, mapLayer } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { shapeAt, type TensorInfo } from '../blueprint.js';
import { labelOf } from '../labels.js';
import type { Model } from '../model.js';
import type { LoadOptions } from './load.js';
import { type ModelFile, provenanceOf, withModelFile } from './model_file.js';
import { bytesOf, readModel } from './weights.js';

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

/** What a first visit to a model's file has found. */
export interface FirstVisit {
  readonly outline: FileOutline;
  /** With its weights, if these were wanted and are sound. */
  readonly model: Model | undefined;
  /** The files that it lies in, and what the system said of them. */
  readonly files: readonly string[];
  readonly stamp: Stamp;
}

/**
 * Reads the outline of a model from its file, in one pass over all bytes: the header is understood and checked as
 * `loadModel` does, the weights are hashed, and read along with that if they are wanted.
 * @param wanted asked once, with the bytes that the model would take in memory.
 * @throws TensimError as `loadModel`, but for what is in the weights: reading them again will say so.
 */
export function firstVisit(
  path: string,
  options: LoadOptions,
  wanted: (bytes: number) => boolean,
): Promise<FirstVisit> {
  let answer: boolean | undefined;
  return withModelFile(path, options, async (file) => {
    const { checkpoint, recognised } = file;
    answer ??= wanted(bytesOf(recognised, checkpoint.tensors));
    const model = answer ? await readModel(file, options).catch(onlyPassOn) : undefined;
    const sha256 = await checkpoint.sha256(options.signal);
    const { files, stamp } = checkpoint;
    return { outline: outlineOf(file, options.label ?? labelOf(path), sha256), model, files, stamp };
  });
}

/**
 * Reads the outline of a model from the header of its file alone: no weight is read, and nothing hashed.
 * @throws TensimError as `loadModel`, but for what is in the weights.
 */
export function glimpse(path: string, options: LoadOptions): Promise<Glimpse> {
  return withModelFile(path, options, async (file) => {
    const { recognised, checkpoint } = file;
    return { ...shapeOf(file), weights: bytesOf(recognised, checkpoint.tensors) };
  });
}

/** What the header of a model's file says. */
export interface Glimpse extends Omit<FileOutline, 'label' | 'provenance' | 'identity'> {
  /** Bytes that its weights take in memory. */
  readonly weights: number;
}

/**
 * Reads a model whose file was visited before. Its bytes are hashed once more only if the file may have been written to
 * since.
 * @returns undefined if it is another by now, in its bytes or in what says how they are read.
 * @throws TensimError as `loadModel`.
 */
export function visitAgain(
  path: string,
  options: LoadOptions,
  { outline, stamp }: Pick<FirstVisit, 'outline' | 'stamp'>,
): Promise<Model | undefined> {
  return withModelFile(path, options, async (file) => {
    const isAsBefore = stamp.settled && file.checkpoint.stamp.text === stamp.text;
    const model = await readModel(file, options, isAsBefore ? outline.provenance.sha256 : undefined);
    return identityOf(file, model.provenance.sha256!) === outline.identity ? model : undefined;
  });
}

function onlyPassOn(error: unknown): undefined {
  if (!(error instanceof TensimError)) throw error;
}

function outlineOf(file: ModelFile, label: string, sha256: string): FileOutline {
  return {
    label,
    ...shapeOf(file),
    provenance: provenanceOf(file, sha256),
    identity: identityOf(file, sha256),
  };
}

function shapeOf({ checkpoint, recognised }: ModelFile): Omit<FileOutline, 'label' | 'provenance' | 'identity'> {
  const { blueprint, chain, parameters } = recognised;
  const { tensors } = checkpoint;
  return {
    layers: blueprint.layers.map(
      (layer): LayerOf<ShapeOnly> => mapLayer(layer, (place: Place) => ({ shape: shapeAt(place, tensors) })),
    ),
    inputShape: [blueprint.positions, chain.inputs],
    outputShape: [blueprint.positions, chain.outputs],
    parameters: new Map([...parameters].map(([name, inFile]) => [name, tensors.get(inFile) as TensorInfo])),
  };
}

/**
 * By the place in the file too, since two of one file hold two models of the same blueprint; and by the names of the
 * parameters, where the layers and the file do not tell them: some measures compare by them.
 */
function identityOf(file: ModelFile, sha256: string): string {
  const { blueprint, parameters } = file.recognised;
  const { key } = provenanceOf(file, sha256);
  const hash = createHash('sha256').update(sha256).update(JSON.stringify(blueprint));
  if (key !== undefined) hash.update(JSON.stringify({ key }));
  const names = [...parameters];
  if (blueprint.layers.length === 0 || names.some(([own, inFile]) => own !== inFile))
    hash.update(JSON.stringify(names));
  return hash.digest('hex');
}
