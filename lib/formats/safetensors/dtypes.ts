/** An element type of the safetensors format and its size. */
export interface Dtype {
  readonly name: string;
  readonly bits: number;
}

/**
 * Every element type of the format. F4 and the F6 types are packed without gaps, so a tensor of them must have a whole
 * number of bytes. Which of the types can be weights is said by `isFloatFormat`.
 */
const DTYPES: ReadonlyMap<string, Dtype> = new Map(
  Object.entries({
    BOOL: 8,
    F4: 4,
    F6_E2M3: 6,
    F6_E3M2: 6,
    U8: 8,
    I8: 8,
    F8_E5M2: 8,
    F8_E4M3: 8,
    F8_E8M0: 8,
    F8_E4M3FNUZ: 8,
    F8_E5M2FNUZ: 8,
    I16: 16,
    U16: 16,
    F16: 16,
    BF16: 16,
    I32: 32,
    U32: 32,
    F32: 32,
    C64: 64,
    F64: 64,
    I64: 64,
    U64: 64,
  }).map(([name, bits]) => [name, { name, bits }]),
);

/** The names of all element types. */
export const DTYPE_NAMES: readonly string[] = [...DTYPES.keys()];

/** The type of this name, or undefined if the format has none. */
export function findDtype(name: string): Dtype | undefined {
  return DTYPES.get(name);
}
