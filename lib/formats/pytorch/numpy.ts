import { LISTING_LIMITS } from '../entry.js';
import { parseDescr } from '../numpy/dtypes.js';
import { Bytes, NumpyArray, NumpyScalar, NumpyType, Sequence, Text, Unread, type Value } from './values.js';

/*
 * Arrays and numbers of NumPy in a pickle, as its own functions write them (numpy/core/src/multiarray: array_reduce,
 * array_setstate, arraydescr_reduce). Their bytes lie in the pickle and are not copied.
 */

/** The element type that a code such as `f4` stands for, until its state says in which order its bytes are. */
export function typeOf([code]: readonly Value[]): NumpyType | undefined {
  const text = code instanceof Text ? code.value : undefined;
  if (text === undefined) return undefined;
  const [, order, name] = /^([<>|=]?)(.*)$/s.exec(text) as RegExpExecArray;
  const type = new NumpyType(name);
  if (order === '<' || order === '>') type.order = order;
  return type;
}

/** State of an element type: version, order of bytes, what it is part of, names of fields, … */
export function setTypeState(type: NumpyType, state: Value): void {
  const [, order, parts, names] = state instanceof Sequence ? state.items : [];
  const text = order instanceof Text ? order.value : undefined;
  if (text === '<' || text === '>') type.order = text;
  type.structured = (parts ?? null) !== null || (names ?? null) !== null;
}

/** State of an array: version, shape, element type, whether its first axis is the fastest, bytes. */
export function setArrayState(array: NumpyArray, state: Value): void {
  const [, shape, type, fortran, data] = state instanceof Sequence ? state.items : [];
  const bytes = data instanceof Text ? plainBytes(data) : data;
  if (type instanceof NumpyType && bytes instanceof Bytes && isShape(shape))
    array.content = { type, shape: shape.items as number[], fortran: fortran === true, bytes };
}

/** An array of a buffer: bytes, element type, shape, order. */
export function arrayOf([buffer, type, shape, order]: readonly Value[]): NumpyArray {
  const array = new NumpyArray();
  if (type instanceof NumpyType && buffer instanceof Bytes && isShape(shape)) {
    const fortran = order instanceof Text && order.value === 'F';
    array.content = { type, shape: shape.items as number[], fortran, bytes: buffer };
  }
  return array;
}

export function scalarOf([type, data]: readonly Value[]): NumpyScalar | undefined {
  const bytes = data instanceof Text ? plainBytes(data) : data;
  return type instanceof NumpyType && bytes instanceof Bytes ? new NumpyScalar(type, bytes) : undefined;
}

/**
 * The bytes that a text stands for, each character one: `_codecs.encode(text, "latin1")`, `bytearray(text, "latin-1")`;
 * bytes given as such; or none.
 */
export function bytesOf([content, encoding]: readonly Value[]): Bytes | undefined {
  if (content === undefined) return new Bytes(Buffer.alloc(0), 0, 0, false);
  if (content instanceof Bytes) return content;
  const name = encoding instanceof Text ? encoding.value : undefined;
  if (!(content instanceof Text) || !/^latin-?1$/.test(name ?? '')) return undefined;
  return new Bytes(content.pickle, content.at, content.length, true);
}

/** The name of an element type as safetensors has it, its size and order; undefined for what are no numbers. */
export function elementsOf({ code, order, structured }: NumpyType): ReturnType<typeof parseDescr> {
  return structured ? undefined : parseDescr(order === '>' ? `>${code}` : code);
}

/** What there is to say of an array that was given no numbers, or of numbers that are not read. */
export function unreadArray(array: NumpyArray): Unread | undefined {
  const { content } = array;
  if (content === undefined) return new Unread('has an array of NumPy without its numbers');
  if (elementsOf(content.type) !== undefined) return undefined;
  return new Unread('has an array of NumPy whose elements are no numbers');
}

/** A text of Python 2 is bytes as it is. */
function plainBytes({ pickle, at, length }: Text): Bytes {
  return new Bytes(pickle, at, length, false);
}

function isShape(value: Value | undefined): value is Sequence {
  return (
    value instanceof Sequence &&
    value.items.length <= LISTING_LIMITS.rank &&
    value.items.every((extent) => typeof extent === 'number' && Number.isSafeInteger(extent) && extent >= 0)
  );
}
