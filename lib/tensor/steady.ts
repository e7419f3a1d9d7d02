import { TensimError } from '../errors.js';
import { sizeOf, type Tensor, type TensorData } from './tensor.js';

/**
 * Work on a caller's arrays that gives the event loop its turn in between. What happens to the arrays meanwhile is the
 * caller's affair, but for two things that would go on as if nothing were the matter: an array whose buffer is
 * transferred, or made smaller, has no elements from then on, which read as `undefined`.
 *
 * @param given anything that holds the arrays, in plain objects, lists and maps
 * @throws TensimError (rejects) `INVALID_ARGUMENT` where that happened before the work was done, `MEMORY_LIMIT` where
 * the system had no memory for an array of its own; all else as the work does
 */
export async function steadily<Result>(given: unknown, work: () => Promise<Result>): Promise<Result> {
  const before: Found[] = [];
  findArrays(given, before);
  const lost = () => anyChanged(before);
  if (before.some(({ array, length, wanted }) => length < wanted && parted(array.buffer))) throw lostError();
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    // An abort stays one. Other errors are what reading nothing has led to.
    if (
      lost() &&
      !(error instanceof TensimError && error.message.startsWith(LOST)) &&
      (error instanceof TensimError || error instanceof TypeError || error instanceof RangeError)
    ) {
      throw lostError(error);
    }
    throw memoryError(error) ?? error;
  }
  if (lost()) throw lostError();
  return result;
}

/**
 * A copy in memory of its own, which nobody else can write or take away.
 * @throws TensimError `INVALID_ARGUMENT` for an array whose memory is gone, `MEMORY_LIMIT` where there is none for a
 * copy
 */
export function copied<Data extends TensorData | Int32Array | Uint8Array>(data: Data): Data {
  try {
    return data.slice() as Data;
  } catch (error) {
    throw memoryError(error) ?? lostError(error);
  }
}

/** @throws TensimError `INVALID_ARGUMENT` for an array that had this many elements and has lost them */
export function expectLength(data: TensorData, length: number): void {
  if (changed(data, length)) throw lostError();
}

/**
 * Whether an array has other elements than it had. The buffer is asked as well: in optimised code that has seen buffers
 * of changing size, V8 of Node 20 gives the former length of an array whose buffer is detached.
 */
function changed(array: TensorData, length: number): boolean {
  return array.length !== length || array.buffer.byteLength < length * array.BYTES_PER_ELEMENT;
}

function anyChanged(before: readonly Found[]): boolean {
  for (const { array, length } of before) if (changed(array, length)) return true;
  return false;
}

const LOST = 'an array has lost its elements: its buffer was transferred or resized';

function lostError(cause?: unknown): TensimError {
  return new TensimError('INVALID_ARGUMENT', LOST, {
    hint: 'Leave arrays as they are until the promise settles, or give a copy',
    cause,
  });
}

/** What V8 says where an array has no room; undefined for any other error. */
function memoryError(error: unknown): TensimError | undefined {
  if (!(error instanceof RangeError)) return undefined;
  if (!/^(Array buffer allocation failed|Invalid typed array length)/.test(error.message)) return undefined;
  return new TensimError('MEMORY_LIMIT', 'there is no memory for an array of numbers that is needed', {
    hint: 'Smaller models, fewer of them, fewer inputs, dtype "float32" or a memoryLimit need less',
    cause: error,
  });
}

/** Whether the buffer is one that arrays can lose: detached, or of a size that changes. */
function parted(buffer: ArrayBufferLike & { readonly resizable?: boolean }): boolean {
  if (buffer.resizable === true) return true;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** An array, the elements it has, and those that it must have in its tensor. */
interface Found {
  readonly array: TensorData;
  readonly length: number;
  readonly wanted: number;
}

/** Into a list and not by generators: a matrix of many small models spends as long on these as on its models. */
function findArrays(value: unknown, found: Found[], shape?: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (ArrayBuffer.isView(value)) {
    const array = value as TensorData;
    const { length } = array;
    if (length !== undefined) found.push({ array, length, wanted: Array.isArray(shape) ? sizeOf(shape) : length });
  } else if (Array.isArray(value)) {
    if (typeof value[0] === 'object') for (const item of value) findArrays(item, found);
  } else if (value instanceof Map) {
    for (const item of value.values()) findArrays(item, found);
  } else if (isPlain(value)) {
    const { data, shape: own, strides } = value as Partial<Tensor>;
    if (strides === undefined && ArrayBuffer.isView(data) && Array.isArray(own)) findArrays(data, found, own);
    else for (const item of Object.values(value)) findArrays(item, found, strides === undefined ? own : undefined);
  }
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
