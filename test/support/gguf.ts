/** A value of the metadata: its kind by GGUF's number, and what follows it. */
export type GgufValue = readonly [kind: number, value: number | bigint | string | readonly GgufValue[], of?: number];

export interface GgufTensor {
  readonly name: string;
  /** In the order of the file: the reverse of row-major. */
  readonly extents: readonly number[];
  readonly type: number;
  readonly data: Uint8Array;
  /** Instead of the place that it has. */
  readonly offset?: number;
}

export interface GgufFile {
  readonly version?: number;
  readonly bigEndian?: boolean;
  readonly metadata?: readonly (readonly [key: string, value: GgufValue])[];
  readonly tensors?: readonly GgufTensor[];
  readonly alignment?: number;
}

export const GGUF_KIND = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  text: 8,
  list: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};

/** A GGUF file as programs write it; data are taken as they are, in the order of bytes of the file. */
export function gguf({
  version = 3,
  bigEndian = false,
  metadata = [],
  tensors = [],
  alignment = 32,
}: GgufFile): Buffer {
  const number = (bytes: number, write: (view: DataView, little: boolean) => void) => {
    const view = new DataView(new ArrayBuffer(bytes));
    write(view, !bigEndian);
    return Buffer.from(view.buffer);
  };
  const u32 = (value: number) => number(4, (view, little) => view.setUint32(0, value, little));
  const u64 = (value: number | bigint) => number(8, (view, little) => view.setBigUint64(0, BigInt(value), little));
  const count = (value: number | bigint) => (version === 1 ? u32(Number(value)) : u64(value));
  const text = (value: string) => Buffer.concat([count(Buffer.byteLength(value)), Buffer.from(value)]);
  const content = ([kind, value, of = 0]: GgufValue): Buffer => {
    if (typeof value === 'string') return text(value);
    if (typeof value === 'object') return Buffer.concat([u32(of), count(value.length), ...value.map(content)]);
    switch (kind) {
      case GGUF_KIND.f32:
        return number(4, (view, little) => view.setFloat32(0, Number(value), little));
      case GGUF_KIND.f64:
        return number(8, (view, little) => view.setFloat64(0, Number(value), little));
      case GGUF_KIND.u64:
      case GGUF_KIND.i64:
        return u64(BigInt.asUintN(64, BigInt(value)));
      case GGUF_KIND.u32:
      case GGUF_KIND.i32:
        return u32(Number(value) >>> 0);
      case GGUF_KIND.u16:
      case GGUF_KIND.i16:
        return number(2, (view, little) => view.setUint16(0, Number(value) & 0xffff, little));
      default:
        return Buffer.from([Number(value) & 0xff]);
    }
  };
  const padded = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
  const listed: Buffer[] = [];
  let at = 0;
  for (const { name, extents, type, data, offset } of tensors) {
    listed.push(text(name), u32(extents.length), ...extents.map(count), u32(type), u64(offset ?? at));
    at += padded(data.length);
  }
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    count(tensors.length),
    count(metadata.length),
    ...metadata.flatMap(([key, value]) => [text(key), u32(value[0]), content(value)]),
    ...listed,
  ]);
  const whole = Buffer.alloc(padded(head.length) + at);
  head.copy(whole);
  at = padded(head.length);
  for (const { data } of tensors) {
    Buffer.from(data).copy(whole, at);
    at += padded(data.length);
  }
  return whole;
}

/** float32 numbers as a tensor of GGUF. */
export const ggufFloats = (name: string, extents: readonly number[], values: readonly number[]): GgufTensor => ({
  name,
  extents,
  type: 0,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
