import type { TensorEntry } from '../entry.js';
import { evenGroups, type Groups, toldGroups } from './groups.js';
import { checkScales, packedAt, scalesIn, wholeLevels, wordsIn } from './numbers.js';
import { type Finding, type StoredTensors, type Told, wholeTold, wrongShape } from './stored.js';
import type { RowDecoder } from './weight.js';

/** Numbers of bits that inputs are packed into without gaps, of which the packing tells which it is. */
const BITS = [4, 8, 2, 3];
/** Where in a word AWQ puts the eight outputs after each other: as its kernels unpack them. */
const AWQ_ORDER = [0, 4, 1, 5, 2, 6, 3, 7];

/**
 * A weight of GPTQ or of AWQ: both keep inputs by outputs, `qweight`, `qzeros` and `scales`; GPTQ packs inputs, and AWQ
 * outputs.
 */
export async function packedInputs(entry: TensorEntry, stored: StoredTensors): Promise<Finding> {
  const module = /^(.*)\.qweight$/.exec(entry.name)?.[1];
  if (module === undefined || entry.dtype !== 'I32' || entry.shape.length !== 2) return undefined;
  const scales = checkScales(stored.need(`${module}.scales`, entry));
  if (scales.shape.length !== 2) throw wrongShape(scales, 'and groups by outputs are expected');
  const [count, outputs] = scales.shape;
  const [first, second] = entry.shape;
  if (count < 1) throw wrongShape(scales, 'and one group at least is expected');
  if (second === outputs) return gptqWeight(module, entry, scales, stored);
  if (second * 8 === outputs) return awqWeight(module, entry, scales, stored);
  // GEMV and others turn it around: those are refused by name, and not by a shape that is none.
  if (first === outputs || first * 8 === outputs) return undefined;
  throw wrongShape(scales, `and the packed weight [${entry.shape.join(', ')}]`);
}

async function gptqWeight(
  module: string,
  entry: TensorEntry,
  scales: TensorEntry,
  stored: StoredTensors,
): Promise<Finding> {
  const zeros = stored.need(`${module}.qzeros`, entry);
  const [count, outputs] = scales.shape;
  const order = stored.get(`${module}.g_idx`);
  const told = await stored.told();
  const version = versionTold(told);
  if (version === 'unknown') return undefined;
  const inputsOf = (bits: number) => order?.shape[0] ?? (entry.shape[0] * 32) / bits;
  const fitting = BITS.filter(
    (one) => zeros.shape[1] === wordsFor(outputs, one) && entry.shape[0] === wordsFor(inputsOf(one), one),
  );
  const bits = fitting.find((one) => one === told.values.bits) ?? fitting[0];
  if (zeros.dtype !== 'I32' || zeros.shape.length !== 2 || zeros.shape[0] !== count || bits === undefined)
    throw wrongShape(zeros, `of ${zeros.dtype}, and there are scales of [${scales.shape.join(', ')}]`);
  const columns = inputsOf(bits);
  if (!Number.isInteger(columns)) throw wrongShape(entry, `in which no inputs of ${bits} bits are packed`);
  const groups = order === undefined ? evenGroups(columns, count) : await toldGroups(order, columns, count, stored);
  if (groups === undefined) throw wrongShape(scales, `and ${columns} inputs are no such groups`);
  const isSymmetric = told.values.sym === true;
  return {
    name: `${module}.weight`,
    shape: [outputs, columns],
    quantised: {
      format: `GPTQ int${bits}`,
      block: [1, groups.size],
      levels: isSymmetric ? wholeLevels(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) : wholeLevels(0, 2 ** bits - 1),
      offset: !isSymmetric,
      ...(groups.scattered && { scattered: true }),
    },
    parts: [entry, scales, zeros, ...(order === undefined ? [] : [order])].map((part) => ({ entry: part })),
    *decoder([packed, factors, offsets]) {
      const words = wordsIn(packed.bytes);
      const zeroWords = wordsIn(offsets.bytes);
      const points = new Int16Array(count * outputs);
      for (let group = 0; group < count; group++) {
        for (let output = 0; output < outputs; output++)
          points[group * outputs + output] = packedAt(zeroWords, group * zeros.shape[1], 1, output, bits);
        yield;
      }
      // The first version stores one less; who packs them like the second and does not say so has the middle itself.
      if (version === 1 || (version === undefined && !(isSymmetric && points.every((one) => one === 2 ** (bits - 1)))))
        for (let i = 0; i < points.length; i++) points[i] += 1;
      return transposed(yield* scalesIn(factors), points, groups, outputs, (input, from, to, numbers) => {
        const place = input * bits;
        const [first, shift] = [(place >>> 5) * outputs, place & 31];
        const mask = (1 << bits) - 1;
        if (shift + bits <= 32)
          for (let output = from; output < to; output++)
            numbers[output - from] = (words[first + output] >>> shift) & mask;
        else
          for (let output = from; output < to; output++)
            numbers[output - from] =
              ((words[first + output] >>> shift) | (words[first + outputs + output] << (32 - shift))) & mask;
      });
    },
  };
}

const wordsFor = (numbers: number, bits: number): number => Math.ceil((numbers * bits) / 32);

/**
 * What is stored for a zero point z: z − 1 in the first version, z in the second. What is neither, and the third version
 * of three bits, which are in two planes there, are other packings.
 */
function versionTold({ values }: Told): 1 | 2 | 'unknown' | undefined {
  const told = [values.checkpoint_format, values.format].find((value) => typeof value === 'string');
  if (told === undefined) return undefined;
  if (told === 'gptq_v2' || (told === 'gptq_p' && values.bits !== 3)) return 2;
  return told === 'gptq' ? 1 : 'unknown';
}

async function awqWeight(
  module: string,
  entry: TensorEntry,
  scales: TensorEntry,
  stored: StoredTensors,
): Promise<Finding> {
  const zeros = stored.get(`${module}.qzeros`);
  const [inputs, packed] = entry.shape;
  const [count, outputs] = scales.shape;
  const told = await stored.told();
  const bits = wholeTold(told, 'bits', 'w_bit') ?? 4;
  const version = told.values.version;
  // Other orders, of which this is none.
  if (bits !== 4 || (typeof version === 'string' && version.toLowerCase() !== 'gemm')) return undefined;
  if (zeros !== undefined && (zeros.dtype !== 'I32' || zeros.shape[0] !== count || zeros.shape[1] !== packed))
    throw wrongShape(zeros, `of ${zeros.dtype}, and there are scales of [${scales.shape.join(', ')}]`);
  if (zeros === undefined && told.values.zero_point !== false) stored.need(`${module}.qzeros`, entry);
  const groups = evenGroups(inputs, count);
  if (groups === undefined) throw wrongShape(scales, `and ${inputs} inputs are no such groups`);
  const at = (words: Int32Array, row: number, output: number) =>
    (words[row * packed + (output >> 3)] >>> (4 * AWQ_ORDER[output & 7])) & 15;
  return {
    name: `${module}.weight`,
    shape: [outputs, inputs],
    quantised: {
      format: 'AWQ int4',
      block: [1, groups.size],
      levels: zeros === undefined ? wholeLevels(-8, 7) : wholeLevels(0, 15),
      offset: zeros !== undefined,
    },
    parts: [entry, scales, ...(zeros === undefined ? [] : [zeros])].map((part) => ({ entry: part })),
    *decoder([elements, factors, offsets]) {
      const words = wordsIn(elements.bytes);
      const zeroWords = offsets && wordsIn(offsets.bytes);
      const points = new Int16Array(count * outputs).fill(8);
      if (zeroWords !== undefined)
        for (let group = 0; group < count; group++) {
          for (let output = 0; output < outputs; output++)
            points[group * outputs + output] = at(zeroWords, group, output);
          yield;
        }
      return transposed(yield* scalesIn(factors), points, groups, outputs, (input, from, to, numbers) => {
        for (let output = from; output < to; output++) numbers[output - from] = at(words, input, output);
      });
    },
  };
}

/**
 * (q − z) · scale of what is stored as inputs by outputs.
 * @param unpack puts the numbers of one input for the outputs `from` … `to` − 1 into an array
 */
function transposed(
  factors: Float32Array,
  points: Int16Array,
  groups: Groups,
  outputs: number,
  unpack: (input: number, from: number, to: number, numbers: Int16Array) => void,
): RowDecoder {
  const inputs = groups.of.length;
  let numbers = new Int16Array(0);
  return (from, to, into, start) => {
    if (numbers.length < to - from) numbers = new Int16Array(to - from);
    for (let input = 0; input < inputs; input++) {
      unpack(input, from, to, numbers);
      const first = groups.of[input] * outputs + from;
      for (let i = 0, place = start + input; i < to - from; i++, place += inputs)
        into[place] = (numbers[i] - points[first + i]) * factors[first + i];
    }
  };
}
