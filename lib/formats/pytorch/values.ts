import { isUtf8 } from 'node:buffer';

/** What a pickle can hold once it is read: plain data. Sets are lists here. */
export type Value =
  | null
  | boolean
  | number
  | typeof OPAQUE
  | Text
  | Bytes
  | Sequence
  | List
  | Dict
  | Global
  | Storage
  | Tensor
  | NumpyType
  | NumpyScalar;

/** What is a tensor, read or not. */
export type Tensor = PickledTensor | NumpyArray | Unread;

/** Something that is there and does not matter: a huge number, a buffer that is not in the file. */
export const OPAQUE: unique symbol = Symbol('opaque');

/** Bytes of a text that is looked at; a longer one can be no name and no setting. */
export const MOST_TEXT = 4096;

/** What others may refer to later: their memory is not given back when one who used it is done. */
abstract class Referable {
  referred = false;
}

export function isReferable(value: Value): value is Sequence | Dict | Text {
  return value instanceof Referable;
}

/** A text, or bytes in the texts of Python 2, where it lies in the pickle: most are never looked at. */
export class Text extends Referable {
  constructor(
    readonly pickle: Buffer,
    readonly at: number,
    readonly length: number,
  ) {
    super();
  }

  /** Undefined for a text that is too long, or none. */
  get value(): string | undefined {
    if (this.length > MOST_TEXT) return undefined;
    const bytes = this.pickle.subarray(this.at, this.at + this.length);
    return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
  }
}

/**
 * Bytes, where they lie in the pickle. `encoded`: every byte from 128 on is written as the two of its character in
 * UTF-8, as pickles before protocol 3 have it.
 */
export class Bytes {
  constructor(
    readonly pickle: Buffer,
    readonly at: number,
    readonly length: number,
    readonly encoded: boolean,
  ) {}
}

/** A tuple. */
export class Sequence extends Referable {
  static readonly empty = new Sequence([]);

  constructor(readonly items: readonly Value[]) {
    super();
  }
}

/** A list or a set, of which only items are kept that are made of others, and the first few texts. */
export class List {
  length = 0;
  readonly kept = new Map<number, Value>();
}

/** A dictionary. Only entries under texts and numbers are kept: state dicts have no others. */
export class Dict extends Referable {
  entries: Map<string | number, Value> | undefined;
  /** A tensor stands under a key that is no text, or a very long one. */
  hasNamelessTensors = false;
}

/**
 * What a function or a class has made that has no meaning here. It is opaque, but for the entries that were put into it
 * one by one, if it is like a dictionary, and for the attributes that it was given.
 */
export class Made extends Dict {
  /** The attributes, as they were given: a dictionary, or a tuple of two. */
  state: Value = null;
  /** Whether tensors went into it otherwise: it may be one, or compute with them. */
  holdsTensors = false;

  /** @param by the name of the function or class. */
  constructor(readonly by: string) {
    super();
  }
}

/** A name that Python would import. Here it is looked up in a list of names, and means what the list says. */
export class Global {
  constructor(
    readonly name: string,
    /** Undefined for names that have none here. */
    readonly meaning: Meaning | undefined,
  ) {}
}

/** What a global stands for. */
export type Meaning =
  /** Called with nothing or with a list of pairs: an ordered dictionary. */
  | { readonly kind: 'dict' }
  /** Called with a list: a set. */
  | { readonly kind: 'set' }
  /**
   * Called with a storage, an offset, a shape, strides and more: a tensor. `typed`: its element type is an argument,
   * too.
   */
  | { readonly kind: 'tensor'; readonly typed: boolean }
  /** Called: a tensor of a kind that is not read. `instead` is what to save in its place. */
  | { readonly kind: 'unread'; readonly instead: string }
  /** Called: its first argument. A parameter is its tensor, a torch.Size its tuple. */
  | { readonly kind: 'first' }
  /** Called with one of those, a class and its arguments: as that one. */
  | { readonly kind: 'subclass' }
  /** Called with a class and arguments: as the class with the arguments. */
  | { readonly kind: 'instance' }
  /** Called with a class, what it is derived from and a value of that: an instance with the value. */
  | { readonly kind: 'derived' }
  /** The type of a storage, by that of its elements; null for bytes whose tensors say what they are. */
  | { readonly kind: 'storage'; readonly dtype: string | null }
  /** An element type. */
  | { readonly kind: 'dtype'; readonly dtype: string }
  /** Called with a text whose characters are bytes, or with bytes: bytes. */
  | { readonly kind: 'bytes' }
  /** Called: an array that is empty until it is given its state. */
  | { readonly kind: 'array' }
  /** Called with bytes, an element type, a shape and an order: an array. */
  | { readonly kind: 'buffered' }
  /** Called with a code: an element type of NumPy. */
  | { readonly kind: 'numpyType' }
  /** Called with an element type and bytes: a number of NumPy. */
  | { readonly kind: 'numpyScalar' };

/** A storage: the member `data/{key}` of the archive. */
export class Storage {
  constructor(
    readonly key: Text,
    /** Element type under its safetensors name; null for bytes. */
    readonly dtype: string | null,
    readonly elements: number,
  ) {}
}

/**
 * A tensor as a view of a storage; offset and strides count elements. Whether it lies within its storage is not checked
 * yet.
 */
export class PickledTensor {
  constructor(
    readonly storage: Storage,
    readonly dtype: string,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** A tensor that is not read, and why: what its pickle does. */
export class Unread {
  constructor(
    readonly problem: string,
    readonly hint?: string,
  ) {}
}

/** An element type of NumPy. */
export class NumpyType {
  /** `<` or `>` once it is known. */
  order = '|';
  /** Of records. */
  structured = false;

  /** @param code as `f4`. */
  constructor(readonly code: string) {}
}

/** A number of NumPy. */
export class NumpyScalar {
  constructor(
    readonly type: NumpyType,
    readonly bytes: Bytes,
  ) {}
}

/** An array of NumPy, whose numbers lie in the pickle itself. */
export class NumpyArray {
  content:
    | {
        readonly type: NumpyType;
        readonly shape: readonly number[];
        readonly fortran: boolean;
        readonly bytes: Bytes;
      }
    | undefined;
}

export function isTensor(value: Value | undefined): value is Tensor {
  return value instanceof PickledTensor || value instanceof NumpyArray || value instanceof Unread;
}
