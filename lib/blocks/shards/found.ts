import type { LayerMatrices } from '../matrix_terms.js';
import type { LayerComparison, NormComparison, WeightComparison } from '../terms.js';
import { isEnd, type Unit } from './units.js';

/**
 * Whether a record is what is kept of a unit, as far as results are made of it: a file can come from anywhere.
 * @param what is compared
 */
export function isFound(what: 'pair' | 'matrix', unit: Unit, record: unknown): record is object {
  if (!isObject(record)) return false;
  if (isEnd(unit)) return !('compared' in record) || isWeights(record.compared as WeightComparison);
  if (unit === 'norms') return Array.isArray(record.norms) && record.norms.every(isNorm);
  return what === 'pair'
    ? isLayer(record as unknown as LayerComparison)
    : isMatrices(record as unknown as LayerMatrices);
}

function isLayer({ mlp, experts, attention, norms = [], weights }: LayerComparison): boolean {
  return (
    isWeights(weights) &&
    (mlp === undefined || isSimilarity(mlp)) &&
    (experts === undefined || (isObject(experts) && isObjects(experts.experts))) &&
    (attention === undefined || (isObject(attention) && isObjects(attention.heads) && isSimilarity(attention.ov))) &&
    Array.isArray(norms) &&
    norms.every(isNorm)
  );
}

const isMatrices = ({ mlp, attention }: LayerMatrices): boolean =>
  (mlp === undefined || (isObject(mlp) && isTable(mlp.similarity) && isTable(mlp.fidelityError))) &&
  (attention === undefined || (isObject(attention) && isTable(attention.qk) && isTable(attention.ov)));

const isNorm = (one: NormComparison): boolean =>
  isObject(one) &&
  typeof one.norm === 'string' &&
  [one.gain, one.bias].every((own) => own === undefined || isWeights(own));

const isWeights = (one: WeightComparison): boolean =>
  isObject(one) && isValue(one.cosine) && isValue(one.nmse) && typeof one.equal === 'boolean';

const isSimilarity = (one: { readonly similarity: number; readonly fidelityError: number } | null): boolean =>
  one === null || (isObject(one) && typeof one.similarity === 'number' && typeof one.fidelityError === 'number');

const isTable = (rows: readonly (readonly unknown[])[]): boolean =>
  Array.isArray(rows) && rows.every((row) => Array.isArray(row) && row.every(isValue));

const isValue = (value: unknown): boolean => value === null || typeof value === 'number';

const isObjects = (list: readonly unknown[]): boolean => Array.isArray(list) && list.every(isObject);

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
