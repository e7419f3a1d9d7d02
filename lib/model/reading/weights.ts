import { Pacer } from '../../cooperate.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { type LayerOf, mapLayer, partsOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import { sizeOf, type Tensor } from '../../tensor/tensor.js';
import { type Blueprint, type Tensors, tensorAt } from '../blueprint.js';
import { assembleModel } from '../create.js';
import { checkFiniteInTurns } from '../finite.js';
import { labelOf } from '../labels.js';
import type { Model } from '../model.js';
import { type ModelFile, provenanceOf } from './model_file.js';
import type { Recognised } from './understand.js';

/**
 * The weights of a model in the order in which they lie in the file, each finite. All bytes before the last are read,
 * so that the digest of the file then takes those after it and no more.
 * @throws TensimError `NOT_FINITE` naming the tensor and the element.
 */
export async function* readWeights(
  checkpoint: Checkpoint,
  recognised: Recognised,
  signal: AbortSignal | undefined,
): AsyncGenerator<[name: string, tensor: Tensor]> {
  yield* checked(checkpoint, checkpoint.readInOrder(storedParameters(recognised), signal), signal);
}

/**
 * The model in an open file.
 * @param digest of the file's bytes, where it is known; else it is found as they are read.
 * @throws TensimError as `readWeights`, and for what `assembleModel` refuses.
 */
export async function readModel(
  file: ModelFile,
  { label, signal }: { readonly label?: string | undefined; readonly signal?: AbortSignal | undefined },
  digest?: string,
): Promise<Model> {
  const { path, checkpoint, recognised } = file;
  const { blueprint, parameters: own } = recognised;
  const weights =
    digest === undefined
      ? readWeights(checkpoint, recognised, signal)
      : checked(checkpoint, oneByOne(checkpoint, storedParameters(recognised), signal), signal);
  const read = new Map<string, Tensor>();
  for await (const [name, tensor] of weights) read.set(name, tensor);
  const sha256 = digest ?? (await checkpoint.sha256(signal));
  // By the listing, whatever the order in which they lie.
  const parameters = new Map([...own].map(([name, inFile]) => [name, read.get(inFile)!]));
  return assembleModel({
    label: label ?? labelOf(path),
    family: blueprint.family,
    positions: blueprint.positions,
    layers: await layersOf(blueprint, read, signal),
    parameters,
    provenance: provenanceOf(file, sha256),
  });
}

/** The tensors of a model, each once, in the order of the file. */
const storedParameters = ({ parameters }: Recognised): string[] => [...new Set(parameters.values())];

/** What a model takes in memory, in bytes; no less. */
export function bytesOf(recognised: Recognised, tensors: Tensors): number {
  const { blueprint } = recognised;
  const bytes = (name: string) => {
    const { dtype, shape } = tensors.get(name)!;
    return sizeOf(shape) * (dtype === 'F64' ? 8 : 4);
  };
  const asRead = storedParameters(recognised).reduce((sum, name) => sum + bytes(name), 0);
  // Parts that are no views of what was read are copies, at most of all of it in double precision.
  const copied = blueprint.layers
    .flatMap((layer) => partsOf(layer))
    .filter(
      ([, { transposed, cut, energy, gain, made }]) =>
        transposed || [cut, energy, gain, made].some((one) => one !== undefined),
    );
  const copy = ({ tensor, made }: Place) =>
    made?.size === undefined ? 2 * bytes(tensor) : 8 * made.size ** (made.as === 'diagonal' ? 2 : 1);
  return copied.reduce((sum, [, place]) => sum + copy(place), asRead);
}

async function* checked(
  { path }: Checkpoint,
  weights: AsyncIterable<[name: string, tensor: Tensor]>,
  signal: AbortSignal | undefined,
): AsyncGenerator<[name: string, tensor: Tensor]> {
  for await (const [name, tensor] of weights) {
    await checkFiniteInTurns(name, tensor, path, signal);
    yield [name, Object.freeze(tensor)];
  }
}

async function* oneByOne(
  checkpoint: Checkpoint,
  names: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<[name: string, tensor: Tensor]> {
  for (const name of names) yield [name, await checkpoint.read(name, signal)];
}

/** The layers of a blueprint, with one tensor per place however often it is used. */
async function layersOf(
  blueprint: Blueprint,
  read: ReadonlyMap<string, Tensor>,
  signal: AbortSignal | undefined,
): Promise<LayerOf<Tensor>[]> {
  const keyOf = ({ tensor, half, transposed, cut, energy, gain, made }: Place) =>
    JSON.stringify([tensor, half, transposed, cut, energy, gain, made]);
  const made = new Map<string, Tensor>();
  const pacer = new Pacer(signal);
  for (const [, place] of blueprint.layers.flatMap((layer) => partsOf(layer))) {
    const key = keyOf(place);
    if (!made.has(key)) made.set(key, await tensorAt(place, read, pacer));
  }
  return blueprint.layers.map((layer) => mapLayer(layer, (place) => made.get(keyOf(place))!));
}
