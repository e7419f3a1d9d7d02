import { TensimError } from '../errors.js';
import { smallest } from '../extremes.js';
import { selectBackend } from '../machines/select.js';
import { type LayerBlocks, type Piece, piecesIn } from '../model/transformers/network.js';
import { version } from '../version.js';
import { type BlockComparison, ENDS, type End, type OfLayer, type Step } from './comparison.js';
import { contentOf } from './content.js';
import type { LayerLog } from './layer_log.js';
import type { BlockFile } from './open.js';
import type { GivenSettings } from './settings.js';
import type { BlockOptions, BlockSubject } from './terms.js';

/** Layers by their places in the network, and what stands at its ends, in the order in which a file has them. */
export function inFileOrder({ network, placeOf }: BlockFile): Step[] {
  const first = (pieces: readonly Piece[]) => smallest(pieces.map(placeOf));
  const steps: [place: number, step: Step][] = network.layers.map((layer, at) => [first(piecesOf(layer)), at]);
  for (const end of ENDS) if (network[end] !== undefined) steps.push([placeOf(network[end]), end]);
  return steps.sort(([a], [b]) => a - b).map(([, step]) => step);
}

/** Of a layer, what is compared of it as a whole. */
export function piecesOf({ attention, attentionNorm, mlp, mlpNorm, norms }: LayerBlocks): Piece[] {
  return [...piecesIn({ attention, attentionNorm, mlp, mlpNorm, norms })].map(([, piece]) => piece);
}

/** How layers are gone through. */
export interface Walk extends Pick<BlockOptions, 'onProgress' | 'signal'> {
  /** Those that are wanted, in order; absent: all, as the first file has them. */
  readonly steps?: readonly Step[];
  /** Does with the ends what there is to do. */
  readonly endOf?: (end: End) => Promise<void>;
  /** Keeps finished layers: what it has is not computed again. */
  readonly log?: LayerLog | undefined;
  /** Told of every layer that was kept: under which key, and what it was made of in every network. */
  readonly onKept?: (place: number, key: string, contents: readonly string[]) => Promise<void>;
}

/**
 * Goes through the layers of networks of one shape, and what stands at their ends, in the order of the first file: one
 * layer of each is kept at a time, as it is stored.
 */
export async function walkLayers<Found extends OfLayer>(
  { what, files, given, methodOf, about, layerOf }: BlockComparison<Found>,
  { steps = inFileOrder(files[0]), endOf, log, onKept, onProgress, signal }: Walk,
): Promise<Found[]> {
  const setting = log && (await settingOf(what, given));
  const found: Found[] = [];
  const total = steps.filter((step) => typeof step === 'number').length;
  for (const step of steps) {
    onProgress?.({ phase: 'compare', done: found.length, total });
    signal?.throwIfAborted();
    if (typeof step === 'number') {
      const layers = files.map(({ network }) => network.layers[step]);
      for (const [i, file] of files.entries()) await file.keep(piecesOf(layers[i]));
      let own: Found;
      if (log === undefined) own = await layerOf(step);
      else {
        const contents = await contentsOf(files, layers);
        const key = JSON.stringify([setting, methodOf(layers[0]), await about(step), contents]);
        own = await log.layer(key, () => layerOf(step));
        await onKept?.(step, key, contents);
      }
      found.push({ ...own, layer: layers[0].number });
    } else await endOf?.(step);
    for (const file of files) file.letGo();
  }
  onProgress?.({ phase: 'compare', done: total, total });
  return found.sort((a, b) => a.layer - b.layer);
}

/** What a part of every network is made of. */
export async function contentsOf(files: readonly BlockFile[], parts: readonly object[]): Promise<string[]> {
  const all: string[] = [];
  for (const [i, file] of files.entries()) all.push(await contentOf(file, parts[i]));
  return all;
}

/** What the numbers of a layer depend on beside its weights. */
export async function settingOf(
  what: BlockComparison['what'],
  { threads, signal, backend, ...given }: GivenSettings,
): Promise<object> {
  const { name, grams } = await selectBackend(backend, { grams: { dtype: 'float64' } }, signal);
  const other = given.mlpBackends?.exact ?? given.mlpBackends?.sampled;
  const mlpArithmetic = other && (await selectBackend(other, { grams: {} }, signal)).grams.arithmetic;
  return { version, what, backend: name, arithmetic: grams.arithmetic, ...given, ...(other && { mlpArithmetic }) };
}

/** A network as results tell of it; reads what is left of its files. */
export async function subjectOf(file: BlockFile, signal?: AbortSignal): Promise<BlockSubject> {
  return identified(outlineOf(file), await file.checkpoint.sha256(signal));
}

/** A network as its headers tell it. */
export type BlockOutline = Omit<BlockSubject, 'sha256'>;

export function outlineOf({ path, checkpoint, network, settings }: BlockFile): BlockOutline {
  const left = [...network.others, ...network.layers.flatMap(({ others }) => others)];
  const told = Object.fromEntries(settings.told);
  return { path, files: checkpoint.files, layout: network.layout, left, settings: told };
}

/** The same with the digest of its files. */
export function identified({ path, files, layout, left, settings }: BlockOutline, sha256: string): BlockSubject {
  return { path, ...(files && { files }), sha256, layout, left, settings };
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
