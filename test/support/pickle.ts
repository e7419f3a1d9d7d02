/** Pieces of pickles, by hand: what no pickler would write can be written with them. */

const length32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

export const op = (text: string) => Buffer.from(text, 'latin1');
export const join = (...parts: (Buffer | string)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? op(part) : part)));

/** A whole pickle of protocol 2 whose value is what the parts leave on the stack. */
export const pickle = (...parts: (Buffer | string)[]) => join('\x80\x02', ...parts, '.');

export const text = (value: string) => join('X', length32(Buffer.byteLength(value)), Buffer.from(value));
export const int = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return join('J', bytes);
};
export const tuple = (...items: (Buffer | string)[]) => join('(', ...items, 't');
export const list = (...items: (Buffer | string)[]) => join(']', '(', ...items, 'e');
export const dict = (...entries: (readonly [key: Buffer | string, value: Buffer | string])[]) =>
  join('}', '(', ...entries.flat(), 'u');
export const global = (module: string, name: string) => op(`c${module}\n${name}\n`);
export const reduce = (callable: Buffer, ...args: (Buffer | string)[]) => join(callable, tuple(...args), 'R');

export interface StorageClaims {
  readonly type?: Buffer;
  readonly key?: string;
  readonly elements?: number;
}

/** A storage by its persistent id. */
export const storage = ({ type = global('torch', 'FloatStorage'), key = '0', elements = 6 }: StorageClaims = {}) =>
  join(tuple(text('storage'), type, text(key), text('cpu'), int(elements)), 'Q');

export interface TensorClaims extends StorageClaims {
  readonly offset?: number;
  readonly shape?: readonly number[];
  readonly strides?: readonly number[];
}

/** A tensor, of six float32 in storage 0 unless told otherwise. */
export const tensor = ({ offset = 0, shape = [2, 3], strides = [3, 1], ...claims }: TensorClaims = {}) =>
  reduce(
    global('torch._utils', '_rebuild_tensor_v2'),
    storage(claims),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    '\x89',
    reduce(global('collections', 'OrderedDict')),
  );
