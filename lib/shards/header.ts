import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Order } from '../model/reading/order.js';
import type { ResultInfo, Source } from '../similarity/terms/types.js';
import { version } from '../version.js';
import type { CutMatrix } from './cut_matrix.js';

/** A model that a shard has read: its place, the identity of its products, and where it came from. */
export type ReadModel = readonly [place: number, identity: string, source: Source];

/**
 * What a state file says of the shard in it, so that parts can be put together without a look at the models. Everything
 * but the shard and what it has read is the same in all parts of a matrix.
 */
export interface ShardHeader {
  readonly schema: 'tensim.part/1';
  readonly version: string;
  readonly index: number;
  readonly count: number;
  readonly matrix: ShardedMatrix;
  /** What the products depend on beside the models, as state files have it. */
  readonly setting: string;
  readonly info: ResultInfo;
  readonly names: readonly string[];
  readonly perOutput: boolean;
  readonly degrees: boolean;
  readonly models: readonly ReadModel[];
}

/** The models by place, and how the pairs of them are cut. */
export interface ShardedMatrix {
  readonly rows: number;
  /** 0 where all are compared with each other. */
  readonly columns: number;
  readonly window: number | null;
  readonly labels: readonly string[];
  readonly order?: Order;
  readonly bounds: readonly number[];
  readonly rowGroups: number;
  /** Row group and column group of every tile. */
  readonly tiles: readonly number[];
  /** The tile that every shard begins with, and their number. */
  readonly starts: readonly number[];
}

/** What `inflate` may make of a header: thousands of times what one of a hundred thousand models takes. */
const MOST_BYTES = 2 ** 28;

export function headerOf(
  { subject: { extent, labels, order }, comparison, cut: { grid, starts } }: CutMatrix,
  index: number,
  models: readonly ReadModel[],
): ShardHeader {
  const { settings, setting, names } = comparison;
  const { passedOver: _, ...info } = comparison.info;
  return {
    schema: 'tensim.part/1',
    version,
    index,
    count: starts.length - 1,
    matrix: {
      ...extent,
      labels,
      ...(order && { order }),
      bounds: [...grid.bounds],
      rowGroups: grid.rowGroups,
      tiles: [...grid.tiles],
      starts: [...starts],
    },
    setting,
    info,
    names,
    perOutput: settings.perOutput,
    degrees: settings.degrees === true,
    models,
  };
}

export function encodeHeader(header: ShardHeader): Buffer {
  return deflateRawSync(JSON.stringify(header));
}

/** The header that was encoded; undefined for what nothing writes. A file can come from anywhere. */
export function decodeHeader(text: Buffer): ShardHeader | undefined {
  try {
    const header = JSON.parse(inflateRawSync(text, { maxOutputLength: MOST_BYTES }).toString());
    return isHeader(header) ? header : undefined;
  } catch {
    return undefined;
  }
}

/** Whether two say the same, but for how long it was expected to take. */
export function isSameHeader(one: ShardHeader, other: ShardHeader): boolean {
  const [a, b] = [one, other].map((header) => ({ ...header, info: { ...header.info, estimates: [] } }));
  return JSON.stringify(a) === JSON.stringify(b);
}

/** One text for headers of the same matrix, cut in the same way. */
export function matrixDigest({ count, matrix }: { readonly count: number; readonly matrix: object }): string {
  return createHash('sha256')
    .update(JSON.stringify([count, matrix]))
    .digest('hex');
}

function isHeader(header: ShardHeader): boolean {
  const { schema, index, count, matrix, setting, info, names, perOutput, degrees, models } = header;
  if (schema !== 'tensim.part/1' || !isMatrix(matrix, count) || !isWhole(index, 1, count)) return false;
  if (typeof JSON.parse(setting) !== 'object' || !isInfo(info) || !isTexts(names)) return false;
  if (typeof perOutput !== 'boolean' || typeof degrees !== 'boolean' || !Array.isArray(models)) return false;
  return models.every(
    (model) =>
      Array.isArray(model) &&
      isWhole(model[0], 0, matrix.labels.length - 1) &&
      /^[0-9a-f]{64}$/.test(model[1]) &&
      isSource(model[2]),
  );
}

function isMatrix(matrix: ShardedMatrix, count: number): boolean {
  const { rows, columns, window, labels, bounds, rowGroups, tiles, starts } = matrix;
  const places = rows + columns;
  const groups = bounds.length - 1;
  return (
    isWhole(rows, 1) &&
    isWhole(columns, 0) &&
    (window === null || isWhole(window, 1)) &&
    isTexts(labels) &&
    labels.length === places &&
    isRising(bounds, 0, places) &&
    isWhole(rowGroups, 1, groups) &&
    bounds[rowGroups] === rows &&
    Array.isArray(tiles) &&
    tiles.length % 2 === 0 &&
    tiles.every((group, at) => isWhole(group, at % 2 === 1 && columns > 0 ? rowGroups : 0, groups - 1)) &&
    starts.length === count + 1 &&
    isRising(starts, 0, tiles.length / 2)
  );
}

/** Numbers that do not fall, from the first to the last. */
function isRising(list: readonly number[], first: number, last: number): boolean {
  return (
    Array.isArray(list) &&
    list[0] === first &&
    list.at(-1) === last &&
    list.every((one, at) => isWhole(one, at === 0 ? 0 : list[at - 1]))
  );
}

/** As far as results are made with it. */
function isInfo(info: ResultInfo): boolean {
  const { measure, method, exact, route, estimates, dtype, tf32, backend, input } = info;
  return (
    ['gaussian', 'tensor', 'weights'].includes(measure) &&
    ['exact', 'closure'].includes(method) &&
    typeof exact === 'boolean' &&
    (route === null || ['factor', 'unfolded', 'dense'].includes(route)) &&
    Array.isArray(estimates) &&
    ['float64', 'float32'].includes(dtype) &&
    [undefined, true].includes(tf32) &&
    ['native', 'cuda', 'fallback'].includes(backend) &&
    (input === null || typeof input === 'string')
  );
}

export function isSource(source: Source): boolean {
  const texts = Object.entries(source);
  return texts.every(
    ([name, text]) => ['file', 'revision', 'key', 'sha256'].includes(name) && typeof text === 'string',
  );
}

export const isWhole = (value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

export const isTexts = (list: readonly unknown[]): boolean =>
  Array.isArray(list) && list.every((one) => typeof one === 'string');
