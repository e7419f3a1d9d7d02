import { TensimError } from '../errors.js';
import { smallest } from '../extremes.js';
import { selectBackend } from '../machines/select.js';
import { type LayerBlocks, type Piece, piecesIn } from '../model/transformers/network.js';
import { version } from '../version.js';
import { contentOf } from './content.js';
import { LayerLog } from './layer_log.js';
import type { MlpMethod } from './mlps/choose.js';
import type { BlockFile } from './open.js';
import type { GivenSettings } from './settings.js';
import type { BlockOptions, BlockSubject } from './terms.js';

/** What stands at the ends of a network. */
const ENDS = ['embedding', 'positions', 'unembedding', 'unembeddingBias'] as const;
export type End = (typeof ENDS)[number];

/** Layers by their places in the network, and what stands at its ends, in the order in which a file has them. */
export function inFileOrder({ network, placeOf }: BlockFile): (number | End)[] {
  const first = (pieces: readonly Piece[]) => smallest(pieces.map(placeOf));
  const steps: [place: number, step: number | End][] = network.layers.map((layer, at) => [first(piecesOf(layer)), at]);
  for (const end of ENDS) if (network[end] !== undefined) steps.push([placeOf(network[end]), end]);
  return steps.sort(([a], [b]) => a - b).map(([, step]) => step);
}

/** Of a layer, what is compared of it as a whole. */
function piecesOf({ attention, attentionNorm, mlp, mlpNorm, norms }: LayerBlocks): Piece[] {
  return [...piecesIn({ attention, attentionNorm, mlp, mlpNorm, norms })].map(([, piece]) => piece);
}

interface Walk {
  /** Names the kind of comparison, for the state file. */
  readonly what: string;
  readonly given: GivenSettings;
  readonly options: BlockOptions;
  /** How the MLPs of a layer are compared. */
  readonly methodOf: (layer: LayerBlocks) => MlpMethod;
  /** What else the numbers of a layer depend on, by its place. */
  readonly about: (place: number) => Promise<unknown>;
}

/**
 * Goes through the layers of networks of one shape, and what stands at their ends, in the order of the first file: one
 * layer of each is kept at a time, as it is stored. What a state file has is not computed again.
 * @param layerOf compares the layers of this place
 * @param endOf does with the ends what there is to do
 * @throws TensimError `SHAPE_MISMATCH` for networks of other widths or numbers of layers
 */
export async function walkLayers<Found extends { readonly layer: number }>(
  files: readonly BlockFile[],
  { what, given, options, methodOf, about }: Walk,
  layerOf: (place: number) => Promise<Found>,
  endOf?: (end: End) => Promise<void>,
): Promise<Found[]> {
  const [first, ...others] = files;
  for (const other of others) checkShape(first, other);
  const { onProgress, signal, state } = options;
  const log = state === undefined ? undefined : await LayerLog.open(state);
  const setting = log && (await settingOf(what, given));
  const found: Found[] = [];
  try {
    const total = first.network.layers.length;
    for (const step of inFileOrder(first)) {
      onProgress?.({ phase: 'compare', done: found.length, total });
      signal?.throwIfAborted();
      if (typeof step === 'number') {
        const layers = files.map(({ network }) => network.layers[step]);
        for (const [i, file] of files.entries()) await file.keep(piecesOf(layers[i]));
        const kept = log !== undefined && layers.every(({ experts }) => experts === undefined);
        const compute = () => layerOf(step);
        const on = kept && [setting, methodOf(layers[0]), await about(step), await contents(files, layers)];
        const key = kept ? JSON.stringify(on) : '';
        const own = kept ? await log.layer(key, compute) : await compute();
        found.push({ ...own, layer: layers[0].number });
      } else await endOf?.(step);
      for (const file of files) file.letGo();
    }
    onProgress?.({ phase: 'compare', done: total, total });
  } finally {
    await log?.close();
  }
  return found.sort((a, b) => a.layer - b.layer);
}

const contents = async (files: readonly BlockFile[], layers: readonly LayerBlocks[]) => {
  const all: string[] = [];
  for (const [i, file] of files.entries()) all.push(await contentOf(file, layers[i]));
  return all;
};

/** What the numbers of a layer depend on beside its weights. */
async function settingOf(what: string, { threads, signal, backend, ...given }: GivenSettings): Promise<object> {
  const { name, grams } = await selectBackend(backend, { grams: { dtype: 'float64' } }, signal);
  return { version, what, backend: name, arithmetic: grams.arithmetic, ...given };
}

/** A network as results tell of it; reads what is left of its files. */
export async function subjectOf(
  { path, checkpoint, network, settings }: BlockFile,
  signal?: AbortSignal,
): Promise<BlockSubject> {
  const sha256 = await checkpoint.sha256(signal);
  const left = [...network.others, ...network.layers.flatMap(({ others }) => others)];
  return {
    path,
    files: checkpoint.files,
    sha256,
    layout: network.layout,
    left,
    settings: Object.fromEntries(settings.told),
  };
}

/** @throws TensimError `SHAPE_MISMATCH` */
export function checkShape(f: BlockFile, g: BlockFile): void {
  const [one, other] = [f.network, g.network];
  if (one.width !== other.width) throw unequal(f, g, `a residual stream of ${one.width}`, `of ${other.width}`);
  if (one.layers.length !== other.layers.length)
    throw unequal(f, g, `${one.layers.length} layers`, `has ${other.layers.length}`);
}

function unequal(f: BlockFile, g: BlockFile, one: string, other: string): TensimError {
  return new TensimError('SHAPE_MISMATCH', `has ${one}, and "${g.path}" ${other}`, {
    file: f.path,
    hint: 'Blocks are compared between networks of one shape',
  });
}
