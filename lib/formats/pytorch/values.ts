/** What a pickle can hold once it is read: plain data. Lists, sets and tuples of Python are one kind. */
export type Value =
  | null
  | boolean
  | number
  | string
  | typeof OPAQUE
  | typeof ARRAY
  | Sequence
  | Dict
  | Global
  | Storage
  | PickledTensor;

/** Something that is there and does not matter: bytes, a long text, a huge number, a NumPy scalar. */
export const OPAQUE: unique symbol = Symbol('opaque');

/** A NumPy array: of no use here either, but in a state dict it would be missed. */
export const ARRAY: unique symbol = Symbol('array');

/** A tuple; or a list or set, which may grow, and of which only items that are sequences themselves are kept. */
export class Sequence {
  static readonly empty = new Sequence([], false);

  constructor(
    readonly items: Value[],
    readonly grows: boolean,
  ) {}
}

/** A dictionary. Only entries under texts are kept: state dicts have no others. */
export class Dict {
  entries: Map<string, Value> | undefined;
  /** A tensor stands under a key that is no text, or a very long one. */
  hasNamelessTensors = false;
}

/** A name that Python would import. Here it is looked up in a list of names, and means what the list says. */
export class Global {
  constructor(
    readonly name: string,
    readonly meaning: Meaning,
  ) {}
}

/** What a global stands for. */
export type Meaning =
  /** Called with nothing or with a list of pairs: an ordered dictionary. */
  | { readonly kind: 'dict' }
  /**
   * Called with a storage, an offset, a shape, strides and more: a tensor. `typed`: its element type is an argument,
   * too.
   */
  | { readonly kind: 'tensor'; readonly typed: boolean }
  /** Called: its first argument. A parameter is its tensor, a torch.Size its tuple. */
  | { readonly kind: 'first' }
  /** Called with one of those, a class and its arguments: as that one. */
  | { readonly kind: 'subclass' }
  /** The type of a storage, by that of its elements; null for bytes whose tensors say what they are. */
  | { readonly kind: 'storage'; readonly dtype: string | null }
  /** An element type. */
  | { readonly kind: 'dtype'; readonly dtype: string }
  /** Data of no use here; called or not, it stays so. */
  | { readonly kind: 'opaque' }
  | { readonly kind: 'array' };

/** A storage: the member `data/{key}` of the archive. */
export class Storage {
  constructor(
    readonly key: string,
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
