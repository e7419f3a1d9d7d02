import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/* ONNX models, message by message, so that anything in them can be wrong. */

type Content = Uint8Array | string | number | bigint;

/** A message of these fields: bytes and texts with their lengths, numbers as varints. */
export function message(...fields: readonly (readonly [number: number, content: Content] | undefined)[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const field of fields) {
    if (field === undefined) continue;
    const [number, content] = field;
    if (typeof content === 'number' || typeof content === 'bigint') writer.tag(number, WireType.Varint).int64(content);
    else if (typeof content === 'string') writer.tag(number, WireType.LengthDelimited).string(content);
    else writer.tag(number, WireType.LengthDelimited).bytes(content);
  }
  return writer.finish();
}

const floats = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** An initializer: float32 in `raw_data` unless told otherwise. */
export function tensor(
  name: string,
  dims: readonly number[],
  values: readonly number[],
  { type = 1, raw = floats(values), field = 9 }: { type?: number; raw?: Uint8Array; field?: number } = {},
): Uint8Array {
  return message(...dims.map((dim) => [1, dim] as const), [2, type], [8, name], [field, raw]);
}

/** An initializer of whole numbers of 64 bits. */
export const integers = (name: string, values: readonly number[]): Uint8Array =>
  tensor(name, [values.length], [], { type: 7, raw: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) });

export type Attributes = Readonly<Record<string, number | string | readonly number[] | Uint8Array>>;

/** Whole numbers are `i`, other numbers `f`. */
function attribute(name: string, value: Attributes[string]): Uint8Array {
  if (typeof value === 'string') return message([1, name], [4, value], [20, 3]);
  if (value instanceof Uint8Array) return message([1, name], [5, value], [20, 4]);
  if (typeof value !== 'number') return message([1, name], ...value.map((one) => [8, one] as const), [20, 7]);
  if (Number.isInteger(value)) return message([1, name], [3, value], [20, 2]);
  return new BinaryWriter()
    .raw(message([1, name]))
    .tag(2, WireType.Bit32)
    .float(value)
    .finish();
}

export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes = {},
  domain = '',
): Uint8Array {
  return message(
    ...inputs.map((name) => [1, name] as const),
    ...outputs.map((name) => [2, name] as const),
    [3, `${op} of ${outputs[0]}`],
    [4, op],
    ...Object.entries(attributes).map(([name, value]) => [5, attribute(name, value)] as const),
    domain === '' ? undefined : [7, domain],
  );
}

/** An input or output, with the extents of its axes if they are known; texts for those of any length. */
export const valueInfo = (name: string, shape?: readonly (number | string)[]): Uint8Array =>
  shape === undefined
    ? message([1, name])
    : message(
        [1, name],
        [
          2,
          message([
            1,
            message(
              [1, 1],
              [2, message(...shape.map((size) => [1, message([typeof size === 'string' ? 2 : 1, size])] as const))],
            ),
          ]),
        ],
      );

export interface GraphParts {
  readonly nodes: readonly Uint8Array[];
  readonly tensors?: readonly Uint8Array[];
  /** Of the only input `x`; undefined: not said. */
  readonly input?: readonly (number | string)[];
  readonly inputs?: readonly Uint8Array[];
  readonly outputs?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A model whose graph takes `x` and gives `y`. */
export function onnx({
  nodes,
  tensors = [],
  input,
  inputs = [valueInfo('x', input)],
  outputs = ['y'],
  metadata = {},
}: GraphParts): Buffer {
  const graph = message(
    ...nodes.map((one) => [1, one] as const),
    [2, 'graph'],
    ...tensors.map((one) => [5, one] as const),
    ...inputs.map((one) => [11, one] as const),
    ...outputs.map((name) => [12, valueInfo(name)] as const),
  );
  const pairs = Object.entries(metadata).map(([key, value]) => [14, message([1, key], [2, value])] as const);
  return Buffer.from(message([1, 8], [2, 'pytorch'], [8, message([2, 17])], [7, graph], ...pairs));
}
