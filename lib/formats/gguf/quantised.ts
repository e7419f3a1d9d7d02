import { levelsIn, valuesOf, wholeLevels } from '../quantised/numbers.js';
import type { Quantised } from '../quantised/quantised.js';
import {
  decodeIq4Xs,
  decodeQ2K,
  decodeQ3K,
  decodeQ4K,
  decodeQ5K,
  decodeQ6K,
  decodeQ8K,
  decodeTq10,
  decodeTq20,
} from './blocks/large.js';
import {
  type BlockDecoder,
  decodeIq4Nl,
  decodeMxfp4,
  decodeQ40,
  decodeQ41,
  decodeQ50,
  decodeQ51,
  decodeQ80,
  NON_LINEAR,
} from './blocks/small.js';

/** How a type of GGUF that holds elements in blocks is decoded, and what a block can hold. */
interface PackedType {
  readonly decode: BlockDecoder;
  readonly quantised: Omit<Quantised, 'stored'>;
}

/** Types whose blocks of 32 have a scale each. */
const small = (
  format: string,
  decode: BlockDecoder,
  levels: Float64Array,
  { offset = false, powers }: { readonly offset?: boolean; readonly powers?: boolean } = {},
): [string, PackedType] => [
  format,
  { decode, quantised: { format, block: [1, 32], levels, offset, ...(powers && { powers }) } },
];

/** Types whose blocks of 256 have a scale, and `inner` elements each a factor of few bits before it. */
const large = (
  format: string,
  decode: BlockDecoder,
  levels: Float64Array,
  { inner, offset = false }: { readonly inner?: number; readonly offset?: boolean } = {},
): [string, PackedType] => [
  format,
  { decode, quantised: { format, block: [1, 256], levels, offset, ...(inner !== undefined && { inner }) } },
];

const PACKED: ReadonlyMap<string, PackedType> = new Map([
  small('Q4_0', decodeQ40, wholeLevels(-8, 7)),
  small('Q4_1', decodeQ41, wholeLevels(0, 15), { offset: true }),
  small('Q5_0', decodeQ50, wholeLevels(-16, 15)),
  small('Q5_1', decodeQ51, wholeLevels(0, 31), { offset: true }),
  small('Q8_0', decodeQ80, wholeLevels(-128, 127)),
  small('IQ4_NL', decodeIq4Nl, NON_LINEAR),
  small('MXFP4', decodeMxfp4, levelsIn(valuesOf('F4_E2M1')), { powers: true }),
  large('Q2_K', decodeQ2K, wholeLevels(0, 3), { inner: 16, offset: true }),
  large('Q3_K', decodeQ3K, wholeLevels(-4, 3), { inner: 16 }),
  large('Q4_K', decodeQ4K, wholeLevels(0, 15), { inner: 32, offset: true }),
  large('Q5_K', decodeQ5K, wholeLevels(0, 31), { inner: 32, offset: true }),
  large('Q6_K', decodeQ6K, wholeLevels(-32, 31), { inner: 16 }),
  large('Q8_K', decodeQ8K, wholeLevels(-128, 127)),
  large('IQ4_XS', decodeIq4Xs, NON_LINEAR, { inner: 32 }),
  large('TQ1_0', decodeTq10, wholeLevels(-1, 1)),
  large('TQ2_0', decodeTq20, wholeLevels(-1, 1)),
]);

/** How weights of an element type of GGUF are stored; undefined for types that are not quantised, or not decoded. */
export const quantisedType = (dtype: string): PackedType['quantised'] | undefined => PACKED.get(dtype)?.quantised;

/**
 * Decodes whole blocks of a type that `quantisedType` knows into `into[at…]`, in their order, to the bits that
 * llama.cpp makes of them in float32. Scales that are infinite or NaN are carried into the elements.
 */
export function decodeBlocks(dtype: string, bytes: Uint8Array, into: Float32Array, at: number): void {
  PACKED.get(dtype)!.decode(bytes, into, at);
}
