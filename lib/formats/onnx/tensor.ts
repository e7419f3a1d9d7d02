import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import { byteCount } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { LISTING_LIMITS, type TensorEntry } from '../entry.js';
import { pythonName } from '../python_name.js';
import type { Extent, Field, Messages } from './wire.js';

/** Element types by the numbers that ONNX has for them, under the names of safetensors, and their sizes. */
const TYPES: ReadonlyMap<number, readonly [dtype: string, width: number]> = new Map([
  [1, ['F32', 4]],
  [2, ['U8', 1]],
  [3, ['I8', 1]],
  [4, ['U16', 2]],
  [5, ['I16', 2]],
  [6, ['I32', 4]],
  [7, ['I64', 8]],
  [9, ['BOOL', 1]],
  [10, ['F16', 2]],
  [11, ['F64', 8]],
  [12, ['U32', 4]],
  [13, ['U64', 8]],
  [16, ['BF16', 2]],
]);

/** Fields of a TensorProto. */
const AT = {
  dims: 1,
  type: 2,
  floats: 4,
  int32s: 5,
  int64s: 7,
  name: 8,
  raw: 9,
  doubles: 10,
  external: 13,
  location: 14,
};
/** `data_location`, where elements are in another file. */
const EXTERNAL = 1;

/** A tensor of an ONNX file. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Where its elements lie as they are; absent for elements that are written in another way. */
  readonly entry?: TensorEntry;
  /** Whole numbers that are written one by one. */
  readonly integers?: readonly number[];
  /** Why it has neither. */
  readonly problem?: string;
}

/**
 * Reads where the elements of a tensor lie.
 * @param file of the tensor
 * @param named the name of one that has none of its own, as those of Constant nodes
 * @throws TensimError `INVALID_FILE` for what is damaged, and for elements in another file
 */
export async function readTensor(
  messages: Messages,
  extent: Extent,
  file: string,
  named?: string,
): Promise<OnnxTensor> {
  let [own, type, isExternal] = ['', 0, false];
  const shape: number[] = [];
  const data: { field: Field; by: number }[] = [];
  for await (const field of messages.fields(extent, 'a tensor')) {
    if (field.number === AT.dims)
      for (const extent of await messages.integers(field, 'the shape of a tensor')) shape.push(extent);
    else if (field.number === AT.type) type = await messages.integer(field, 'the type of a tensor');
    else if (field.number === AT.name)
      own = (await messages.content(field, LISTING_LIMITS.nameBytes, 'a name')).toString();
    else if (field.number === AT.external) isExternal = true;
    else if (field.number === AT.location) isExternal ||= (await messages.integer(field, 'a place')) === EXTERNAL;
    else if ([AT.floats, AT.int32s, AT.int64s, AT.raw, AT.doubles].includes(field.number) && field.bytes > 0)
      data.push({ field, by: field.number });
    if (shape.length > LISTING_LIMITS.rank)
      throw messages.damaged(`a tensor has more than ${LISTING_LIMITS.rank} axes`);
  }
  const name = named ?? own;
  const wrong = (problem: string, hint = 'The file is damaged: copy, download or export it again') =>
    new TensimError('INVALID_FILE', problem, { file, tensor: name, hint });
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0) || !Number.isSafeInteger(sizeOf(shape)))
    throw wrong(`has the shape [${shape.join(', ')}], which no tensor has`);
  if (isExternal)
    throw wrong(
      'has its elements in another file',
      `Put all in one: import onnx; onnx.save(onnx.load(${pythonName(file)}), "in_one.onnx")`,
    );
  const unread = (problem: string): OnnxTensor => ({ name, shape, problem });
  const known = TYPES.get(type);
  if (known === undefined) return unread(`has elements of type ${type} of ONNX, which is not read`);
  const [dtype, width] = known;
  const [first, ...others] = data;
  const bytes = sizeOf(shape) * width;
  const entryAt = (offset: number): TensorEntry => ({ name, dtype, shape, bytes, file, offset });
  if (first === undefined) {
    if (bytes > 0) throw wrong('has no elements');
    return { name, shape, entry: entryAt(extent.at) };
  }
  // One by one, which takes a field for every element; or whole numbers, which have no fixed length.
  if (first.by === AT.int64s || first.by === AT.int32s) {
    if (first.by === AT.int32s && !['I32', 'I16', 'I8', 'U16', 'U8', 'BOOL'].includes(dtype))
      return unread(`has elements of type ${dtype} that are written as whole numbers`);
    const integers = sizeOf(shape) > MOST_INTEGERS ? [] : await allIntegers(messages, data);
    if (integers.length !== sizeOf(shape)) return unread('has whole numbers that are written one by one');
    return { name, shape, integers };
  }
  const fits = first.by === AT.raw || (first.by === AT.floats ? dtype === 'F32' : dtype === 'F64');
  if (others.length > 0 || first.field.wire !== 'bytes' || !fits)
    return unread('has elements that are written one by one');
  if (first.field.bytes !== bytes)
    throw wrong(
      `says ${quote(dtype)} [${shape.join(', ')}], and has ${byteCount(first.field.bytes)} of ${byteCount(bytes)}`,
    );
  return { name, shape, entry: entryAt(first.field.at) };
}

/** Of lists that are read: shapes and axes are far shorter. */
const MOST_INTEGERS = 64;

async function allIntegers(messages: Messages, data: readonly { readonly field: Field }[]): Promise<number[]> {
  const numbers: number[] = [];
  for (const { field } of data.slice(0, MOST_INTEGERS))
    for (const one of await messages.integers(field, 'a list')) numbers.push(one);
  return numbers;
}
