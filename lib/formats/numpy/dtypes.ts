/** Element types of NumPy without their byte order, under their safetensors names. */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    f8: 'F64',
    f4: 'F32',
    f2: 'F16',
    i1: 'I8',
    u1: 'U8',
    i2: 'I16',
    u2: 'U16',
    i4: 'I32',
    u4: 'U32',
    i8: 'I64',
    u8: 'U64',
    b1: 'BOOL',
    c8: 'C64',
  }),
);

const TYPES: ReadonlyMap<string, string> = new Map([...NAMES].map(([type, name]) => [name, type]));

/**
 * The element type of a `descr` such as `<f8`: its name, its size and whether its bytes are turned around; undefined
 * for all others.
 */
export function parseDescr(descr: string): { dtype: string; width: number; bigEndian: boolean } | undefined {
  const [, order, type] = /^([<>|=]?)([a-z]\d)$/.exec(descr) ?? [];
  const dtype = type === undefined ? undefined : NAMES.get(type);
  return dtype === undefined ? undefined : { dtype, width: Number(type[1]), bigEndian: order === '>' };
}

/** The `descr` of little-endian elements of a type, or undefined if NumPy has no such type. */
export function descrOf(dtype: string): string | undefined {
  const type = TYPES.get(dtype);
  return type === undefined ? undefined : `${type.endsWith('1') ? '|' : '<'}${type}`;
}
