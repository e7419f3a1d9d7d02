import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { TensorEntry } from '../entry.js';
import { type Blocks, blocksOf, ScaleRows } from './blocks.js';
import { checkScales, isSmallFloat, levelsIn, scalesIn, valuesOf, wholeLevels } from './numbers.js';
import { type Finding, type StoredTensors, wrongShape } from './stored.js';
import type { QuantisedWeight, RowDecoder, StoredBytes } from './weight.js';

/** Ends of the names of scales beside `X.weight`, or any other name of a weight, in place of that. */
const BESIDE_ANY = ['_scale_inv', '_scale'];
const BESIDE_WEIGHT = ['.scale_weight', '.qscale_weight', '.scale'];

/**
 * A weight in eight bits, each element by itself, and scales beside it: FP8 of many writers, and the INT8 of
 * compressed-tensors. It is multiplied by its scale, also where that is called `scale_inv`.
 */
export async function scaledWeight(entry: TensorEntry, stored: StoredTensors): Promise<Finding> {
  const { name, dtype, shape } = entry;
  const isInteger = dtype === 'I8';
  if ((!isInteger && !isSmallFloat(dtype)) || shape.length === 0) return undefined;
  const module = /^(.*)\.weight$/.exec(name)?.[1];
  const ends = module === undefined || isInteger ? [] : BESIDE_WEIGHT;
  const names = [...BESIDE_ANY.map((end) => name + end), ...ends.map((end) => module + end)];
  const scale = names.map((one) => stored.get(one)).find((one) => one !== undefined);
  if (scale === undefined) return isInteger ? undefined : withoutScale(entry, stored);
  const { values } = await stored.told();
  return scaledBy(entry, scale, {
    name,
    told: blockTold(values),
    zeros: isInteger ? stored.get(`${name}_zero_point`) : undefined,
  });
}

/** What a weight of eight bits is called, and what is known of it. */
interface Scaled {
  readonly name: string;
  readonly told?: readonly number[];
  readonly zeros?: TensorEntry | undefined;
}

/**
 * The weight that these elements are, each multiplied by its scale, less the zero point of that where there are any.
 * @throws TensimError `SHAPE_MISMATCH`, `UNSUPPORTED_DTYPE`
 */
export function scaledBy(entry: TensorEntry, scale: TensorEntry, { name, told, zeros }: Scaled): QuantisedWeight {
  const { shape, dtype } = entry;
  const isInteger = dtype === 'I8';
  checkScales(scale);
  const blocks = blocksOf(shape, scale.shape, { told: told ?? [], isEven: isInteger });
  if (blocks === undefined) throw wrongShape(scale, `and scales a weight of [${shape.join(', ')}]`);
  if (zeros !== undefined && (zeros.dtype !== 'I8' || sizeOf(zeros.shape) !== sizeOf(scale.shape)))
    throw wrongShape(zeros, `of ${zeros.dtype}, and there are scales of [${scale.shape.join(', ')}]`);
  const rows = new ScaleRows(shape, blocks);
  const besideRows = rows.shared === undefined ? {} : { byRows: { width: rows.width, rows: rows.shared } };
  return {
    name,
    shape,
    quantised: {
      format: isInteger ? 'int8' : (NAMES[dtype] ?? 'fp8'),
      block: blockOfRows(blocks),
      levels: isInteger ? wholeLevels(-128, 127) : levelsIn(valuesOf(dtype as 'F8_E4M3')),
      offset: zeros !== undefined,
      ...(scale.dtype === 'F8_E8M0' && { powers: true }),
    },
    parts: [
      { entry, byRows: { width: shape.at(-1)! } },
      { entry: scale, ...besideRows },
      ...(zeros === undefined ? [] : [{ entry: zeros, ...besideRows }]),
    ],
    decoder: (parts) => decoderOf(parts, rows, shape.at(-1)!),
  };
}

const NAMES: Readonly<Record<string, string>> = {
  F8_E5M2: 'fp8 (E5M2)',
  F8_E4M3FNUZ: 'fp8 (E4M3FNUZ)',
  F8_E5M2FNUZ: 'fp8 (E5M2FNUZ)',
};

/** Rows and columns that share a scale. */
function blockOfRows(blocks: Blocks): readonly [number, number] {
  return [blocks.slice(0, -1).reduce((rows, block) => rows * block, 1), blocks.at(-1)!];
}

function* decoderOf(
  [elements, scales, zeros]: readonly StoredBytes[],
  rows: ScaleRows,
  columns: number,
): Generator<void, RowDecoder> {
  const { dtype } = elements.entry;
  const values = isSmallFloat(dtype) ? valuesOf(dtype) : undefined;
  const { bytes, skipped } = elements;
  const whole = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const factors = yield* scalesIn(scales);
  const offsets = zeros && new Int8Array(zeros.bytes.buffer, zeros.bytes.byteOffset, zeros.bytes.length);
  return (from, to, into, at) => {
    for (let row = from, out = at; row < to; row++) {
      const first = rows.at(row) - scales.skipped;
      let element = row * columns - skipped;
      for (let block = 0; block < rows.width; block++) {
        const factor = factors[first + block];
        const offset = offsets === undefined ? 0 : offsets[first + block];
        const end = out + Math.min(rows.block, columns - block * rows.block);
        if (values === undefined) for (; out < end; out++) into[out] = (whole[element++] - offset) * factor;
        else for (; out < end; out++) into[out] = values[bytes[element++]] * factor;
      }
    }
  };
}

/**
 * A matrix of FP8 without a scale beside others that have one.
 * @throws TensimError `INVALID_FILE` where weights of this file are scaled
 */
async function withoutScale(entry: TensorEntry, stored: StoredTensors): Promise<undefined> {
  const { name, shape, file } = entry;
  if (shape.length < 2 || !name.endsWith('.weight')) return undefined;
  if (!stored.has(/\.(?:weight_scale(?:_inv)?|scale_weight)$/)) return undefined;
  throw new TensimError('INVALID_FILE', 'is of eight bits, and no scale of it is in the file, as of others there are', {
    file,
    tensor: name,
    hint: 'The file was cut, or written by halves: get all of the model again',
  });
}

/** The sizes of blocks that a configuration says: `weight_block_size` of DeepSeek's, `block_structure` of others. */
function blockTold(values: Readonly<Record<string, unknown>>): readonly number[] {
  const groups = Object.values((values.config_groups ?? {}) as Record<string, unknown>);
  const structures = groups.map((group) => (group as { weights?: { block_structure?: unknown } })?.weights);
  const told = [values.weight_block_size, ...structures.map((weights) => weights?.block_structure)];
  return told.find(isSizes) ?? [];
}

const isSizes = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((size) => Number.isSafeInteger(size) && size > 0);
