import { dirname, join } from 'node:path';
import { TensimError } from '../../errors.js';
import type { Checkpoint, StampedCheckpoint } from '../../formats/checkpoint.js';
import { Companions } from '../../formats/companions.js';
import type { Graph } from '../../formats/onnx/graph.js';
import { type LayerOf, mapLayer } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import { type Blueprint, checkBlueprint, checkElements, type Tensors, tensorsOf, usedTensors } from '../blueprint.js';
import type { ChainInfo } from '../chain.js';
import { recognise, recogniseEveryday, unrecognised } from '../families/recognise.js';
import { ModelSettings, type Setting } from '../settings.js';
import { BlockSettings } from '../transformers/settings.js';
import { blockSources, positionsGiven } from './block_settings.js';
import { configsBeside } from './configs.js';
import { type Contents, type SetAside, sorted, withoutIgnored, withTied } from './contents.js';
import { applyDescription, type Description } from './description.js';
import { type Naming, namings } from './naming.js';
import { type ModelSource, readOwnDescription } from './source.js';

/** A checkpoint understood: its layers, what they map, and the model.json that said so. */
export interface Recognised {
  /** By the names in the file. */
  readonly blueprint: Blueprint;
  readonly chain: ChainInfo;
  readonly description: string | null;
  /** The names in the file of the network's tensors, by their own names, in the order of the file. */
  readonly parameters: ReadonlyMap<string, string>;
  /** What was taken off all names, and out of the middle of some. */
  readonly prefix: string;
  readonly wrappers: readonly string[];
  readonly setAside: readonly SetAside[];
  readonly tied: Readonly<Record<string, string>>;
  /** What the tensors do not tell and was asked for, and who said it. */
  readonly settings: readonly Setting[];
}

/**
 * What an open checkpoint is, from its header alone. In this order: the description that the caller gave; a family, by
 * the tensor names; a model.json of ours beside the checkpoint, so that one for other files in the folder never changes
 * how a known family is read; a network as people name them, of which a description may say more than its names: a whole transformer, or else one of the other
 * kinds. Names and tensors are taken as they are where that makes a model in one of these ways,
 * and otherwise without what is no weight, with tied weights, and without the names of wrappers.
 * @throws TensimError `UNSUPPORTED_LAYER` if none of them knows it, `INVALID_FILE`, `UNSUPPORTED_DTYPE` or
 * `SHAPE_MISMATCH`.
 */
export async function understand(
  checkpoint: StampedCheckpoint,
  source: ModelSource,
  signal?: AbortSignal,
): Promise<Recognised> {
  const ways = new Ways(checkpoint, withoutIgnored(checkpoint, source.ignore), signal);
  try {
    return await understandLayers(checkpoint, source, ways);
  } catch (error) {
    if (source.unknown !== 'parameters' || source.description !== undefined || !isOfLayers(error)) throw error;
    return parametersAlone(checkpoint, await ways.last());
  }
}

/** Whether it is the layers that are not known, or do not fit. */
function isOfLayers(error: unknown): boolean {
  const codes: readonly string[] = ['UNSUPPORTED_LAYER', 'INVALID_FILE', 'SHAPE_MISMATCH'];
  return error instanceof TensimError && codes.includes(error.code);
}

/**
 * All tensors that are left, as parameters of a network of unknown layers.
 * @throws TensimError `UNSUPPORTED_DTYPE` naming a tensor that can be no weight; `UNSUPPORTED_LAYER` if none is left.
 */
function parametersAlone({ path }: Checkpoint, [{ tensors, prefix, wrappers }, { setAside, tied }]: Way): Recognised {
  if (tensors.size === 0) throw unrecognised(tensors, path);
  for (const info of tensors.values()) checkElements(info, path);
  return {
    blueprint: { family: 'unknown', positions: 1, layers: [] },
    chain: { inputs: 0, outputs: 0, degree: null },
    description: null,
    parameters: new Map([...tensors].map(([own, { name }]) => [own, name])),
    ...{ prefix, wrappers, setAside, tied, settings: [] },
  };
}

async function understandLayers(checkpoint: StampedCheckpoint, source: ModelSource, ways: Ways): Promise<Recognised> {
  const { description, config, configFile, companions = new Companions() } = source;
  const { path, metadata, spoilt } = checkpoint;
  if (spoilt !== undefined) throw spoilt;
  if (description !== undefined) return asDescribed(description, checkpoint, ways);
  if (checkpoint.graph !== undefined) return asInGraph(checkpoint, checkpoint.graph, ways);
  const settings = new ModelSettings(path, metadata, {
    options: config,
    given: configFile,
    ...(await configsBeside(path, companions)),
  });
  const as = (way: Way, known = recognise): Recognised | undefined => {
    const blueprint = known(way[0].tensors, settings);
    if (blueprint === undefined) return undefined;
    const found = understood(checkpoint, blueprint, ...way, null);
    return { ...withRest(found, way[1], 'no part of what is compared'), settings: settings.asked };
  };
  for (const way of ways.asWritten) {
    const found = as(way);
    if (found !== undefined) return found;
  }
  // Before anything is taken off or left out: one that was written for these very names.
  const described = await readOwnDescription(join(dirname(path), 'model.json'), companions);
  // One of blocks says nothing of the network as a whole.
  const beside = described?.layers.length === 0 ? undefined : described;
  const [[{ tensors: written }]] = ways.asWritten;
  if (beside !== undefined && wantedBy(beside).every((name) => written.has(name)))
    return asDescribed(beside, checkpoint, ways);
  for (const way of await ways.sorted()) {
    const found = as(way);
    if (found !== undefined) return found;
  }
  if (beside !== undefined) return asDescribed(beside, checkpoint, ways);
  for (const way of await ways.sorted()) {
    if (!hasNumbered(way[0].tensors)) continue;
    const { isOrdinary } = await import('../families/ordinary/ordinary.js');
    if (!isOrdinary(way[0].tensors) || settings.block() !== undefined) continue;
    return asTransformer(checkpoint, source, way);
  }
  for (const way of await ways.shortest()) {
    const found = as(way, recogniseEveryday);
    if (found !== undefined) return found;
  }
  const [{ tensors, prefix }] = await ways.last();
  throw unrecognised(tensors, path, prefix, settings);
}

/** Whether there are modules by number, as in the layers of every transformer: all that is known of these is much to read. */
const hasNumbered = (tensors: Tensors): boolean => [...tensors.keys()].some((name) => /\.\d+\./.test(name));

/** As the graph in the file says, which names all that it needs. */
async function asInGraph(
  checkpoint: Checkpoint,
  graph: Graph,
  { asWritten: [[naming, contents]] }: Ways,
): Promise<Recognised> {
  const { blueprintOf } = await import('./graph/blueprint.js');
  const found = understood(checkpoint, blueprintOf(graph, naming.tensors, checkpoint.path), naming, contents, null);
  const inUse = new Set(found.parameters.values());
  const left = [...contents.tensors.keys()].filter((name) => !inUse.has(name));
  const reason = 'no layer is made of it';
  return { ...found, setAside: [...found.setAside, ...left.map((name) => ({ name, reason }))] };
}

/** A whole transformer with softmax and norms, whose settings are found under other names than those of other kinds. */
async function asTransformer(
  checkpoint: StampedCheckpoint,
  source: ModelSource,
  [naming, contents]: Way,
): Promise<Recognised> {
  const { given, found } = await blockSources(checkpoint, source);
  const told = new BlockSettings(checkpoint.path, [...given, ...found]);
  const { ordinary } = await import('../families/ordinary/ordinary.js');
  const { blueprint, settings } = ordinary(naming.tensors, told, positionsGiven(source));
  return { ...understood(checkpoint, blueprint, naming, contents, null), settings };
}

/** The tensors that a description makes layers of. */
const wantedBy = ({ positions, layers }: Description): string[] => tensorsOf({ family: 'custom', positions, layers });

/**
 * As a description says. Its names are those in the file, or those without the names of wrappers.
 * @throws TensimError `INVALID_ARGUMENT` where it uses what is to be ignored.
 */
async function asDescribed(by: Description, checkpoint: Checkpoint, ways: Ways): Promise<Recognised> {
  const wanted = wantedBy(by);
  const ignored = ways.contents.setAside.find(({ name }) => wanted.includes(name));
  if (ignored !== undefined)
    throw new TensimError('INVALID_ARGUMENT', `is to be ignored, and ${by.file} makes a layer of it`, {
      file: checkpoint.path,
      tensor: ignored.name,
    });
  const all = [...(await ways.sorted()), ...ways.asWritten];
  const found = all.find(([{ tensors }]) => wanted.every((name) => tensors.has(name)));
  const [naming, contents] = found ?? ways.asWritten[0];
  const blueprint = applyDescription(by, naming.tensors, checkpoint.path);
  return withRest(understood(checkpoint, blueprint, naming, contents, by.file), contents, 'ignored by the description');
}

/** With everything that the layers do not use set aside, for the same reason. */
function withRest(found: Recognised, { tensors }: Contents, reason: string): Recognised {
  const used = new Set(found.parameters.values());
  const left = [...tensors.values()].filter(({ name }) => !used.has(name));
  return { ...found, setAside: [...found.setAside, ...left.map(({ name }) => ({ name, reason }))] };
}

function understood(
  { tensors, path }: Checkpoint,
  own: Blueprint,
  { tensors: named, prefix, wrappers }: Naming,
  { setAside, tied }: Contents,
  description: string | null,
): Recognised {
  const blueprint = inFile(own, named);
  return {
    blueprint,
    chain: checkBlueprint(blueprint, tensors, path),
    description,
    parameters: new Map(usedTensors(own, named).map((name) => [name, named.get(name)!.name])),
    ...{ prefix, wrappers, setAside, tied, settings: [] },
  };
}

/** A blueprint by the names in the file. */
function inFile(blueprint: Blueprint, tensors: Tensors): Blueprint {
  const name = (own: string) => tensors.get(own)!.name;
  if (tensorsOf(blueprint).every((own) => name(own) === own)) return blueprint;
  const at = (place: Place): Place => ({
    ...place,
    tensor: name(place.tensor),
    ...(place.energy !== undefined && { energy: name(place.energy) }),
    ...(place.gain !== undefined && { gain: name(place.gain) }),
  });
  return {
    ...blueprint,
    layers: blueprint.layers.map((layer): LayerOf<Place> => mapLayer(layer, at)),
    ...(blueprint.beside && { beside: blueprint.beside.map(name) }),
  };
}

/** A reading of the names, and what was left out for it. */
type Way = readonly [naming: Naming, contents: Contents];

/**
 * How a checkpoint can be read, the nearest to how it is written first. Metadata that name a tensor may mean that a
 * weight is tied to it, or anything else: it is tried with and without.
 */
class Ways {
  /** With all names, and all that is not to be ignored. */
  readonly asWritten: readonly Way[];
  readonly contents: Contents;
  readonly #checkpoint: Checkpoint;
  readonly #signal: AbortSignal | undefined;
  #sorted: Promise<readonly Way[]> | undefined;

  constructor(checkpoint: Checkpoint, contents: Contents, signal: AbortSignal | undefined) {
    this.#checkpoint = checkpoint;
    this.#signal = signal;
    this.contents = contents;
    this.asWritten = this.#both(contents).map((one) => [{ tensors: one.tensors, prefix: '', wrappers: [] }, one]);
  }

  /** Without what is no weight, and then without what wrappers put into names; found once, as masks are looked into. */
  sorted(): Promise<readonly Way[]> {
    this.#sorted ??= sorted(this.contents, this.#checkpoint, this.#signal).then((contents) =>
      this.#both(contents).flatMap((one) => Array.from(namings(one.tensors), (naming): Way => [naming, one])),
    );
    return this.#sorted;
  }

  /** The same, the names with the most taken off first. */
  async shortest(): Promise<readonly Way[]> {
    return [...(await this.sorted())].sort(([a], [b]) => b.prefix.length - a.prefix.length);
  }

  /** With everything taken off that can be. */
  async last(): Promise<Way> {
    const [first = this.asWritten[0]] = await this.shortest();
    return first;
  }

  #both(contents: Contents): Contents[] {
    return [...new Set([withTied(contents, this.#checkpoint), contents])];
  }
}
