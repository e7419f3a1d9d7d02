import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { TensorEntry } from '../entry.js';
import { evenGroups, toldGroups } from './groups.js';
import { checkScales, packedAt, scalesIn, wholeLevels, wordsIn } from './numbers.js';
import { type Finding, type StoredTensors, wrongShape } from './stored.js';

/**
 * A weight that compressed-tensors packed into words: along the inputs, the lowest bits first, each number with half of
 * its range added. Its zero points, where it has any, are packed along the outputs.
 */
export async function packedWeight(entry: TensorEntry, stored: StoredTensors): Promise<Finding> {
  const weight = /^(.*weight)_packed$/.exec(entry.name)?.[1];
  if (weight === undefined || entry.dtype !== 'I32' || entry.shape.length !== 2) return undefined;
  const scales = checkScales(stored.need(`${weight}_scale`, entry));
  const [outputs, inputs] = await shapeTold(stored.need(`${weight}_shape`, entry), entry, stored);
  const packing = packingOf(inputs, entry.shape[1], bitsTold((await stored.told()).values));
  if (entry.shape[0] !== outputs || packing === undefined)
    throw wrongShape(entry, `and ${outputs} by ${inputs} numbers are to be packed in it`);
  const { bits } = packing;
  const isOne = sizeOf(scales.shape) === 1;
  const count = isOne ? 1 : (scales.shape[1] ?? 1);
  if (!isOne && scales.shape[0] !== outputs) throw wrongShape(scales, `and scales a weight of [${outputs}, ${inputs}]`);
  const order = stored.get(`${weight}_g_idx`);
  const groups = order === undefined ? evenGroups(inputs, count) : await toldGroups(order, inputs, count, stored);
  if (groups === undefined) throw wrongShape(scales, `and scales a weight of [${outputs}, ${inputs}]`);
  const zeros = stored.get(`${weight}_zero_point`);
  const zeroAt = zeros && zeroPoints(zeros, [outputs, count], bits);
  const middle = 2 ** (bits - 1);
  const byOutputs = isOne ? {} : { byRows: { width: count } };
  return {
    name: weight,
    shape: [outputs, inputs],
    quantised: {
      format: `int${bits}`,
      block: isOne ? [outputs, inputs] : [1, groups.size],
      levels: wholeLevels(-middle, middle - 1),
      offset: zeros !== undefined,
      ...(groups.scattered && { scattered: true }),
    },
    parts: [
      { entry, byRows: { width: entry.shape[1] } },
      { entry: scales, ...byOutputs },
      ...(zeros === undefined ? [] : [{ entry: zeros }]),
      ...[stored.get(`${weight}_shape`)!, ...(order === undefined ? [] : [order])].map((part) => ({ entry: part })),
    ],
    *decoder([packed, factors, offsets]) {
      const words = wordsIn(packed.bytes);
      const values = yield* scalesIn(factors);
      const pointAt = zeroAt?.(offsets.bytes);
      return (from, to, into, at) => {
        for (let row = from, out = at; row < to; row++) {
          const scale = (group: number) => (isOne ? 0 : row * count + group - factors.skipped);
          const first = row * entry.shape[1] - packed.skipped;
          const [of, points] = [groups.of, offsetsOf(row, count, pointAt)];
          for (let column = 0; column < inputs; column++, out++) {
            const group = of[column];
            const number = packing.at(words, first, column) - middle;
            into[out] = (number - points[group]) * values[scale(group)];
          }
        }
      };
    },
  };
}

function offsetsOf(row: number, count: number, at?: (row: number, group: number) => number): Int16Array {
  return Int16Array.from({ length: count }, (_, group) => at?.(row, group) ?? 0);
}

/** How numbers lie in words. */
interface Packing {
  readonly bits: number;
  at(words: Int32Array, first: number, column: number): number;
}

/**
 * By how many words a row of so many numbers takes. They lie without gaps, as they do now; in what was written earlier no
 * number is cut by the end of a word, which is the same for 1, 2, 4 and 8 bits.
 */
function packingOf(inputs: number, words: number, told: readonly number[]): Packing | undefined {
  const dense = [4, 8, 2, 3, 5, 6, 7, 1]
    .filter((bits) => Math.ceil((inputs * bits) / 32) === words)
    .map((bits): Packing => ({ bits, at: (data, first, column) => packedAt(data, first, 1, column, bits) }));
  const gapped = [3, 5, 6, 7]
    .filter((bits) => Math.ceil(inputs / Math.floor(32 / bits)) === words)
    .map((bits): Packing => {
      const each = Math.floor(32 / bits);
      const mask = (1 << bits) - 1;
      return {
        bits,
        at: (data, first, column) => (data[first + Math.floor(column / each)] >>> ((column % each) * bits)) & mask,
      };
    });
  const found = [...dense, ...gapped];
  return told.length === 0 ? found[0] : found.find(({ bits }) => told.includes(bits));
}

/** How many bits weights have, of each group of layers that a configuration speaks of. */
function bitsTold({ config_groups: groups }: Readonly<Record<string, unknown>>): readonly number[] {
  return Object.values((groups ?? {}) as Record<string, { weights?: { num_bits?: unknown } } | null>)
    .map((group) => group?.weights?.num_bits)
    .filter((bits) => typeof bits === 'number');
}

/**
 * Zero points by outputs and groups: packed along the outputs, or a byte each.
 * @throws TensimError `SHAPE_MISMATCH`
 */
function zeroPoints(zeros: TensorEntry, [outputs, count]: readonly [number, number], bits: number) {
  const { dtype, shape } = zeros;
  const [rows, columns = 1] = shape;
  if (dtype === 'I8' && sizeOf(shape) === (count === 1 && sizeOf(shape) === 1 ? 1 : outputs * count))
    return (bytes: Uint8Array) => {
      const points = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      return (row: number, group: number) => points[points.length === 1 ? 0 : row * count + group];
    };
  if (dtype === 'I32' && columns === count && rows === Math.ceil((outputs * bits) / 32))
    return (bytes: Uint8Array) => {
      const words = wordsIn(bytes);
      return (row: number, group: number) => packedAt(words, group, count, row, bits) - 2 ** (bits - 1);
    };
  throw wrongShape(zeros, `of ${dtype}, and ${outputs} by ${count} zero points are expected`);
}

/** @throws TensimError `INVALID_FILE` for what is no shape of a matrix */
async function shapeTold(shape: TensorEntry, entry: TensorEntry, stored: StoredTensors): Promise<[number, number]> {
  const width = shape.dtype === 'I64' ? 8 : 4;
  if (['I64', 'I32'].includes(shape.dtype) && sizeOf(shape.shape) === 2) {
    const words = wordsIn(await stored.small(shape));
    const step = width / 4;
    const [outputs, inputs] = [words[0], words[step]];
    const isSmall = step === 1 || (words[1] === 0 && words[3] === 0);
    if (isSmall && outputs >= 1 && inputs >= 1 && inputs <= 32 * Math.max(1, entry.shape[1])) return [outputs, inputs];
  }
  throw new TensimError('INVALID_FILE', 'tells no shape of what is packed beside it', {
    file: shape.file,
    tensor: shape.name,
    hint: 'Get all of the model again',
  });
}
