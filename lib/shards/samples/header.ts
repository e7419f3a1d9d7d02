import type { Order } from '../../model/reading/order.js';
import { functionsOf } from '../../similarity/sampled/basis.js';
import type { EnsembleShape } from '../../similarity/sampled/ensemble.js';
import type { GroupSize } from '../../similarity/sampled/group.js';
import { GROUPS } from '../../similarity/sampled/jackknife.js';
import type { ResultInfo } from '../../similarity/terms/types.js';
import { isSource, isTexts, isWhole, type ReadModel } from '../header.js';

/**
 * What a state file of samples says of itself, so that parts can be put together without a look at the models. Everything
 * but the number of the part is the same in all parts of a matrix.
 */
export interface SampledHeader {
  readonly schema: 'tensim.sampled-part/1';
  readonly index: number;
  readonly count: number;
  readonly matrix: SampledModels;
  /** What the sums depend on beside the models, as JSON. */
  readonly setting: string;
  readonly info: ResultInfo;
  readonly names: readonly string[];
  readonly perOutput: boolean;
  readonly seed: number;
  readonly tolerance: number;
  readonly maxSamples: number;
  /** What models have in common. */
  readonly shape: Pick<EnsembleShape, 'tokenModels' | 'inputSize' | 'positions' | 'outputs'>;
  /** Of every place. */
  readonly models: readonly ReadModel[];
}

/** The models by place, and which pairs of them are wanted. */
export interface SampledModels {
  readonly rows: number;
  /** 0 where all are compared with each other. */
  readonly columns: number;
  readonly window: number | null;
  readonly labels: readonly string[];
  readonly order?: Order;
  /** For every place, the number of its model among the different ones, in the order in which they are evaluated. */
  readonly evaluated: readonly number[];
}

export const differentIn = ({ matrix }: Pick<SampledHeader, 'matrix'>): number =>
  matrix.evaluated.reduce((most, number) => Math.max(most, number + 1), 0);

export function sizeIn(header: Pick<SampledHeader, 'matrix' | 'perOutput' | 'shape'>): GroupSize {
  const models = differentIn(header);
  return { models, functions: functionsOf(models), slices: header.perOutput ? 1 + header.shape.outputs : 1 };
}

/** Whether two are of the same matrix, computed alike, of the same files. */
export function isOfSame(one: SampledHeader, other: SampledHeader): boolean {
  const [a, b] = [one, other].map((header) => JSON.stringify({ ...header, index: 0 }));
  return a === b;
}

/** The header of a text; undefined for what nothing writes. A file can come from anywhere. */
export function headerIn(text: string): SampledHeader | undefined {
  try {
    const header = JSON.parse(text);
    return isHeader(header) ? header : undefined;
  } catch {
    return undefined;
  }
}

function isHeader(header: SampledHeader): boolean {
  const { schema, index, count, matrix, setting, names, perOutput, seed, tolerance, maxSamples } = header;
  return (
    schema === 'tensim.sampled-part/1' &&
    isWhole(count, 1, GROUPS) &&
    isWhole(index, 1, count) &&
    isMatrix(matrix) &&
    typeof JSON.parse(setting) === 'object' &&
    isInfo(header.info) &&
    isTexts(names) &&
    typeof perOutput === 'boolean' &&
    (!perOutput || names.length === header.shape.outputs) &&
    isWhole(seed, 0) &&
    tolerance > 0 &&
    tolerance <= 1 &&
    isWhole(maxSamples, 1) &&
    isShape(header.shape) &&
    areModels(header)
  );
}

function isMatrix({ rows, columns, window, labels, evaluated }: SampledModels): boolean {
  return (
    isWhole(rows, 1) &&
    isWhole(columns, 0) &&
    (window === null || isWhole(window, 1)) &&
    isTexts(labels) &&
    labels.length === rows + columns &&
    evaluated.length === labels.length &&
    evaluated.every((number) => isWhole(number, 0, labels.length - 1))
  );
}

function isShape({ tokenModels, inputSize, positions, outputs }: SampledHeader['shape']): boolean {
  return typeof tokenModels === 'boolean' && [inputSize, positions, outputs].every((size) => isWhole(size, 1, 2 ** 31));
}

/** Every place once, in order, and as many digests as different models. */
function areModels({ models, matrix: { labels, evaluated } }: SampledHeader): boolean {
  const known = new Map<number, string>();
  const fits = models.every(([place, identity, source], at) => {
    const number = evaluated[at];
    const same = known.get(number) ?? identity;
    known.set(number, identity);
    return place === at && same === identity && /^[0-9a-f]{64}$/.test(identity) && isSource(source);
  });
  const different = new Set(known.values()).size;
  return (
    fits && models.length === labels.length && known.size === different && [...known.keys()].every((n) => n < different)
  );
}

/** As far as results are made with it. */
function isInfo(info: ResultInfo): boolean {
  const { measure, method, exact, route, estimates, dtype, tf32, backend, input } = info;
  return (
    measure === 'gaussian' &&
    method === 'sampled' &&
    exact === false &&
    route === null &&
    Array.isArray(estimates) &&
    ['float64', 'float32'].includes(dtype) &&
    [undefined, true].includes(tf32) &&
    ['native', 'cuda', 'fallback'].includes(backend) &&
    (input === null || typeof input === 'string')
  );
}
