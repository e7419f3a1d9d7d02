import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { labelsOf } from '../model/labels.js';
import type { Order } from '../model/reading/order.js';
import { type Glimpse, glimpse, type Outline } from '../model/reading/outline.js';
import type { ModelList } from '../similarity/matrix.js';
import type { KeptModels } from '../similarity/members/kept.js';
import { listedModels } from '../similarity/members/listed.js';
import { fileMember, type Member } from '../similarity/members/members.js';
import { choose } from '../similarity/members/selection.js';
import type { MatrixSettings } from '../similarity/terms/matrix_options.js';
import type { Extent } from './grid.js';

/** The models of a matrix, of which no weight has been read. */
export interface Subject {
  readonly extent: Extent;
  /** By place: those of rows, and behind them those of columns. */
  readonly paths: readonly string[];
  readonly labels: readonly string[];
  readonly order: Order | undefined;
  /** What their headers say; models of the same sizes share it. */
  readonly outlines: readonly Outline[];
  /** Bytes of their weights. */
  readonly weights: Float64Array;
  /** Opens the file of a model, and hashes it. */
  open(place: number, kept: KeptModels): Promise<Member>;
}

/**
 * The models of a matrix by the headers of their files.
 * @param alike whether that of the first stands for all.
 * @throws TensimError `INVALID_ARGUMENT` for models in memory; as `choose` and `glimpse`.
 */
export async function subjectOf(
  models: ModelList,
  { choice, load, measure, signal, onProgress }: MatrixSettings,
  { order, alike }: { readonly order: Order | undefined; readonly alike: boolean },
): Promise<Subject> {
  const given = typeof models === 'string' ? [models] : models;
  if (!Array.isArray(given) || given.length === 0)
    throw new TensimError('INVALID_ARGUMENT', 'a matrix in shards needs at least one model');
  const unknown = measure === 'weights' ? ({ unknown: 'parameters' } as const) : {};
  const reading = { ...load, ...unknown, signal };
  const listed = await listedModels(given, reading);
  const { rows, columns } = await choose(listed.models, choice, reading);
  const isSquare = rows === columns;
  const all = isSquare ? rows : [...rows, ...columns];
  const paths = all.map(pathOf);
  const labels = labelsOf(paths);
  const read = new Map<string, Glimpse>();
  const shared = new Map<string, Glimpse>();
  const outlines: Outline[] = [];
  const weights = new Float64Array(paths.length);
  for (const [place, path] of paths.entries()) {
    signal?.throwIfAborted();
    const asked = alike ? paths[0] : path;
    const own = read.get(asked) ?? (await glimpse(asked, reading));
    const sizes = read.has(asked) ? own : sharedOf(own, shared);
    read.set(asked, sizes);
    weights[place] = sizes.weights;
    outlines.push({ ...sizes, label: labels[place], provenance: NOWHERE });
    onProgress?.({ phase: 'open', done: place + 1, total: paths.length });
  }
  return {
    extent: {
      rows: rows.length,
      columns: isSquare ? 0 : columns.length,
      window: choice.window,
    },
    ...{ paths, labels, outlines, weights, order: order ?? listed.order },
    async open(place, kept) {
      const member = await fileMember(paths[place], { ...reading, label: labels[place] }, kept);
      if (sizesOf(member.outline) === sizesOf(outlines[place])) return member;
      throw new TensimError('INVALID_ARGUMENT', 'the model is not of the sizes that the shards were cut by', {
        file: paths[place],
        hint: alike ? 'Leave out alike, which says that all are of the sizes of the first' : 'It has changed meanwhile',
      });
    },
  };
}

const NOWHERE = { metadata: {} } as Outline['provenance'];

function pathOf(model: unknown): string {
  if (typeof model === 'string') return model;
  throw new TensimError('INVALID_ARGUMENT', 'a model in memory cannot be in shards: other processes do not have it', {
    hint: 'Write it to a file, and give the path of that',
  });
}

/** Thousands of models of the same sizes take the memory of one. */
function sharedOf(own: Glimpse, shared: Map<string, Glimpse>): Glimpse {
  const key = sizesOf(own);
  const known = shared.get(key);
  if (known === undefined) shared.set(key, own);
  return known ?? own;
}

function sizesOf({ layers, inputShape, outputShape, parameters }: Omit<Outline, 'label' | 'provenance'>): string {
  const shapes = [...parameters].map(([name, { shape }]) => [name, shape]);
  return JSON.stringify([layers, inputShape, outputShape, shapes]);
}

/** Members that are known by their headers alone, for what is decided by sizes. */
export function unread({ outlines }: Subject): Member[] {
  const never = (): never => {
    throw new TensimError('INTERNAL', 'the weights of a model were asked for when only its sizes are known');
  };
  return outlines.map((outline) => ({
    outline,
    load: never,
    release: () => {},
    identity: never,
    known: undefined,
    sketch: never,
  }));
}

/** The models of these places; equal paths are one member. */
export async function openPlaces(
  subject: Subject,
  places: readonly number[],
  kept: KeptModels,
  { signal, onProgress }: Pick<MatrixSettings, 'signal' | 'onProgress'>,
): Promise<Member[]> {
  const pacer = new Pacer(signal);
  const opened = new Map<string, Member>();
  const members: Member[] = [];
  for (const [done, place] of places.entries()) {
    const path = subject.paths[place];
    const member = opened.get(path) ?? (await subject.open(place, kept));
    opened.set(path, member);
    members.push(member);
    onProgress?.({ phase: 'open', done: done + 1, total: places.length });
    if (pacer.due(1)) await pacer.pause();
  }
  return members;
}

/** Whether models are all of the same sizes, as far as headers were read. */
export const isAlike = (outlines: readonly { readonly layers: unknown }[]): boolean =>
  outlines.every(({ layers }) => layers === outlines[0].layers);
