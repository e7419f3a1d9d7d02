import type { Json } from './json.js';

/* Objects of JavaScript that JSON has no words for, written in JSON: an object with a field `$` that names its kind. */

/** What a getter of ours throws: an error of the caller, that nobody has to turn into another. */
export class Thrown extends Error {
  override readonly name = 'Thrown';
}

/** The longest array that is made. */
const MOST_ELEMENTS = 4096;

/** Not known to the types of the oldest Node. */
const Resizable = ArrayBuffer as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
const Growable = SharedArrayBuffer as new (bytes: number, options: { maxByteLength: number }) => SharedArrayBuffer;

const TYPES = { f64: Float64Array, f32: Float32Array, i32: Int32Array, u8: Uint8Array, list: Array } as const;

const SINGLE: Readonly<Record<string, () => unknown>> = {
  nan: () => Number.NaN,
  inf: () => Number.POSITIVE_INFINITY,
  zero: () => -0,
  undefined: () => undefined,
  bigint: () => 3n,
  symbol: () => Symbol('three'),
  function: () => () => 3,
  boxed: () => Object(3),
  date: () => new Date(3),
  map: () => new Map([['shape', [1]]]),
  bare: () => Object.create(null),
};

/** The words of this notation. */
export const OBJECT_WORDS: readonly string[] = [
  ...['$', 'tensor', 'array', 'get', 'parts', 'throws', 'proxy', 'values', 'value', 'shape', 'length', 'fill', 'type'],
  ...['strides', 'memory', 'resizable', 'shared', 'growable', 'detached', 'inside', 'seed', ...Object.keys(TYPES)],
  ...['small', 'positive', 'empty', 'huge', 'tiny', 'invalid', 'endless', ...Object.keys(SINGLE)],
];

/** Builds objects of what describes them, and knows the memory of all arrays among them. */
export class Builder {
  readonly #buffers: ArrayBufferLike[] = [];
  readonly #shift: number;

  /** @param shift makes the numbers of all tensors others */
  constructor(shift = 0) {
    this.#shift = shift;
  }

  build(tree: Json | undefined): unknown {
    if (Array.isArray(tree)) return this.#holder([], tree.entries() as Iterable<[number, Json]>);
    if (typeof tree !== 'object' || tree === null) return tree;
    if (!Object.hasOwn(tree, '$')) return this.#holder({}, Object.entries(tree));
    const kind = String(tree.$);
    if (Object.hasOwn(SINGLE, kind)) return SINGLE[kind]();
    if (kind === 'tensor') return this.#tensor(tree);
    if (kind === 'array') return this.#array(tree, Number(tree.length));
    if (kind === 'proxy') return new Proxy(Object(this.build(tree.value)), {});
    return tree;
  }

  /** Takes the memory of all arrays made so far away from them, as far as that goes. */
  part(): void {
    for (const buffer of this.#buffers.splice(0)) {
      const { resizable } = buffer as { resizable?: boolean };
      if (resizable === true) (buffer as unknown as { resize(bytes: number): void }).resize(0);
      else if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer] });
    }
  }

  #holder(holder: object, entries: Iterable<[string | number, Json]>): object {
    for (const [key, value] of entries) {
      const getter = this.#getter(value);
      const property = getter === undefined ? { value: this.build(value), writable: true } : { get: getter };
      Object.defineProperty(holder, key, { ...property, enumerable: true, configurable: true });
    }
    return holder;
  }

  /** A property that is another every time, parts with memory when it is read, or throws. */
  #getter(tree: Json): (() => unknown) | undefined {
    if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return undefined;
    if (tree.$ === 'throws') {
      return () => {
        throw new Thrown('by a getter');
      };
    }
    if (tree.$ === 'get') {
      const values = (Array.isArray(tree.values) ? tree.values : [tree.values]).map((value) => this.build(value));
      return () => (values.length > 1 ? values.shift() : values[0]);
    }
    if (tree.$ !== 'parts') return undefined;
    const value = this.build(tree.value);
    return () => {
      this.part();
      return value;
    };
  }

  /** `{ data, shape }`, the data as long as the shape says unless another length is given. */
  #tensor(tree: { [key: string]: Json }): object {
    const { shape, length, strides } = tree;
    const sizes = Array.isArray(shape) ? shape.map(Number) : [];
    const size = sizes.reduce((product, extent) => product * extent, 1);
    const data = this.#array(tree, length === undefined ? size : Number(length));
    return {
      data,
      shape: this.build(shape),
      ...(strides !== undefined && { strides: this.build(strides) }),
    };
  }

  #array({ type, memory, fill, seed }: { [key: string]: Json }, wanted: number): unknown {
    const length = Number.isSafeInteger(wanted) && wanted >= 0 ? Math.min(wanted, MOST_ELEMENTS) : 0;
    const name = typeof type === 'string' && Object.hasOwn(TYPES, type) ? (type as keyof typeof TYPES) : 'f64';
    const numbers = Array.from({ length }, (_, i) => numberAt(i, Number(seed ?? 0) + this.#shift, fill));
    if (name === 'list') return numbers;
    const Type = TYPES[name];
    const bytes = length * Type.BYTES_PER_ELEMENT;
    const offset = memory === 'inside' ? 2 * Type.BYTES_PER_ELEMENT : 0;
    const buffer = memoryOf(memory, bytes + 2 * offset);
    const growing = memory === 'resizable' || memory === 'growable';
    const array = new Type(buffer as ArrayBuffer, offset, growing ? undefined : length);
    array.set(numbers.slice(0, array.length));
    this.#buffers.push(buffer);
    if (memory === 'detached' && bytes > 0) structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    return array;
  }
}

function memoryOf(memory: Json, bytes: number): ArrayBufferLike {
  if (memory === 'resizable') return new Resizable(bytes, { maxByteLength: 2 * bytes });
  if (memory === 'growable') return new Growable(bytes, { maxByteLength: 2 * bytes });
  return memory === 'shared' ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
}

/** Multiples of an eighth within [−1, 1], unless it is said otherwise. */
function numberAt(i: number, seed: number, fill: Json): number {
  const value = ((((7 * i + 13 * seed + i * i * (1 + (seed % 3))) % 17) + 17) % 17) / 8 - 1;
  switch (fill) {
    case 'positive':
      return value + 1.25;
    case 'empty':
      return 0;
    case 'huge':
      return value * 1e300;
    case 'tiny':
      return value * 1e-310;
    case 'invalid':
      return i % 3 === 2 ? Number.NaN : value;
    case 'endless':
      return Number.POSITIVE_INFINITY;
    default:
      return Number.isNaN(value) ? 0 : value;
  }
}
