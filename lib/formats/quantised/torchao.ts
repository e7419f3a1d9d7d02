import type { TensorEntry } from '../entry.js';
import { parseJson } from '../text_file.js';
import { scaledBy } from './scaled.js';
import { type Finding, type StoredTensors, wrongShape } from './stored.js';

/** What torchao writes of FP8 and INT8 with one number for each element. */
const TYPES = ['Float8Tensor', 'Int8Tensor', 'IntxUnpackedToInt8Tensor'];

/**
 * A weight as torchao flattens it, told by the metadata: `X._weight_qdata` and `X._weight_scale`, or, as it did at first,
 * `X.weight:qdata` and `X.weight:scale`. Of its other types none is decoded.
 */
export function flattened(entry: TensorEntry, stored: StoredTensors): Finding {
  const [name, beside] = nameIn(entry.name) ?? [];
  if (name === undefined || beside === undefined) return undefined;
  const { type, block } = toldOf(name, stored.metadata);
  if (type === undefined || !TYPES.includes(type)) return undefined;
  // What the inputs are multiplied by first is a part of the function, and of no weight.
  if (stored.get(beside('act_pre_scale')) !== undefined) return undefined;
  const scale = stored.need(beside('scale'), entry);
  const zeros = stored.get(beside('zero_point'));
  const weight = scaledBy(entry, scale, { name, ...(block && { told: block }), zeros });
  const isTold = block === undefined || block.every((size, axis) => size === blockAt(entry.shape, scale.shape, axis));
  if (!isTold) throw wrongShape(scale, `and blocks of [${block.join(', ')}] are said of [${entry.shape.join(', ')}]`);
  return weight;
}

const blockAt = (shape: readonly number[], scales: readonly number[], axis: number): number =>
  Math.ceil(shape[axis] / (scales[axis] ?? 1));

/** The name of the weight that elements are of, and those of the parts beside them. */
function nameIn(stored: string): readonly [name: string, beside: (part: string) => string] | undefined {
  const [, first] = /^(.*):qdata$/.exec(stored) ?? [];
  if (first !== undefined) return [first, (part) => `${first}:${part}`];
  const [, module, weight] = /^(.*)\._(\w+?)_qdata$/.exec(stored) ?? [];
  return module === undefined ? undefined : [`${module}.${weight}`, (part) => `${module}._${weight}_${part}`];
}

/** What the metadata say of a weight. */
function toldOf(name: string, metadata: Readonly<Record<string, string>>) {
  const inOne = record(metadata[name]);
  const data = inOne?._data as { readonly block_size?: unknown } | undefined;
  const type = typeof inOne?._type === 'string' ? inOne._type : metadata[`${name}:tensor_type`];
  const block = data?.block_size ?? parsed(metadata[`${name}:block_size`]);
  return { type, block: isSizes(block) ? block : undefined };
}

/** Tensors that are no weights of a type of torchao, and have a name of it all the same: `0.bias:data` is `0.bias`. */
export function plainNames({ tensors, metadata }: StoredTensors): ReadonlyMap<string, string> {
  const plain = [...tensors.keys()].flatMap((stored): [string, string][] => {
    const [, name] = /^(.*):data$/.exec(stored) ?? [];
    const isOne = name !== undefined && metadata[`${name}:tensor_type`] === 'Tensor' && !tensors.has(name);
    return isOne ? [[name, stored]] : [];
  });
  return new Map(plain);
}

function record(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  const json = parsed(text);
  return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : parseJson(text);
  } catch {
    return undefined;
  }
}

const isSizes = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((size) => Number.isSafeInteger(size) && size > 0);
