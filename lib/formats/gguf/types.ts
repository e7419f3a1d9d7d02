/** An element type of GGUF: its elements lie in blocks of so many, each of so many bytes. */
export interface GgufType {
  /** Under the name of safetensors where that has it, else under GGUF's own. */
  readonly dtype: string;
  /** Elements of a block; rows are whole blocks. */
  readonly elements: number;
  readonly bytes: number;
}

const plain = (dtype: string, bytes: number): GgufType => ({ dtype, elements: 1, bytes });
const small = (dtype: string, bytes: number): GgufType => ({ dtype, elements: 32, bytes });
const large = (dtype: string, bytes: number): GgufType => ({ dtype, elements: 256, bytes });

/** The types by their numbers; 4, 5 and 31 to 33 are no longer in use, and 36 to 38 never were in files. */
const TYPES: ReadonlyMap<number, GgufType> = new Map([
  [0, plain('F32', 4)],
  [1, plain('F16', 2)],
  [2, small('Q4_0', 18)],
  [3, small('Q4_1', 20)],
  [6, small('Q5_0', 22)],
  [7, small('Q5_1', 24)],
  [8, small('Q8_0', 34)],
  [9, small('Q8_1', 36)],
  [10, large('Q2_K', 84)],
  [11, large('Q3_K', 110)],
  [12, large('Q4_K', 144)],
  [13, large('Q5_K', 176)],
  [14, large('Q6_K', 210)],
  [15, large('Q8_K', 292)],
  [16, large('IQ2_XXS', 66)],
  [17, large('IQ2_XS', 74)],
  [18, large('IQ3_XXS', 98)],
  [19, large('IQ1_S', 50)],
  [20, small('IQ4_NL', 18)],
  [21, large('IQ3_S', 110)],
  [22, large('IQ2_S', 82)],
  [23, large('IQ4_XS', 136)],
  [24, plain('I8', 1)],
  [25, plain('I16', 2)],
  [26, plain('I32', 4)],
  [27, plain('I64', 8)],
  [28, plain('F64', 8)],
  [29, large('IQ1_M', 56)],
  [30, plain('BF16', 2)],
  [34, large('TQ1_0', 54)],
  [35, large('TQ2_0', 66)],
  [39, small('MXFP4', 17)],
  [40, { dtype: 'NVFP4', elements: 64, bytes: 36 }],
  [41, { dtype: 'Q1_0', elements: 128, bytes: 18 }],
  [42, { dtype: 'Q2_0', elements: 64, bytes: 18 }],
]);

/** The type of this number, or undefined if there is none. */
export const typeOf = (number: number): GgufType | undefined => TYPES.get(number);
