import { finish } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { TensorEntry } from '../entry.js';
import { parseJson } from '../text_file.js';
import { levelsIn, SOME, scalesIn, wholeLevels, widthOf } from './numbers.js';
import { type Finding, type StoredTensors, wrongShape } from './stored.js';
import type { RowDecoder, StoredBytes, StoredPart } from './weight.js';

/** What bitsandbytes says of a weight beside it, as JSON in bytes. */
interface QuantState {
  readonly shape: readonly number[];
  readonly blocksize: number;
  readonly nested_blocksize?: number;
  readonly nested_offset?: number;
}

/**
 * A weight of bitsandbytes in four bits: numbers of a table of 16, the higher half of each byte first, times the largest
 * of their block; these largest ones may be stored in eight bits, in blocks of their own.
 */
export async function fourBits(entry: TensorEntry, stored: StoredTensors): Promise<Finding> {
  const { name } = entry;
  const type = ['nf4', 'fp4'].find((one) => stored.get(`${name}.quant_state.bitsandbytes__${one}`) !== undefined);
  if (type === undefined) {
    if (stored.get(`${name}.quant_map`) !== undefined) stored.need(`${name}.quant_state.bitsandbytes__nf4`, entry);
    return undefined;
  }
  const stateEntry = stored.get(`${name}.quant_state.bitsandbytes__${type}`)!;
  const state = stateIn(await stored.small(stateEntry), stateEntry);
  const { shape, blocksize } = state;
  const size = sizeOf(shape);
  if (entry.bytes !== Math.ceil(size / 2))
    throw wrongShape(entry, `of ${entry.bytes} bytes, and [${shape.join(', ')}] are to be packed in them`);
  const map = float32(stored.need(`${name}.quant_map`, entry), 16);
  const blocks = Math.ceil(size / blocksize);
  const absmax = stored.need(`${name}.absmax`, entry);
  const isNested = absmax.dtype === 'U8';
  if (sizeOf(absmax.shape) !== blocks || !(isNested || absmax.dtype === 'F32'))
    throw wrongShape(absmax, `of ${absmax.dtype}, and there are ${blocks} blocks`);
  const { nested_blocksize: outer = 0, nested_offset: offset = 0 } = state;
  if (isNested && !(Number.isSafeInteger(outer) && outer >= 1 && Number.isFinite(offset)))
    throw noState(stateEntry, 'says no "nested_blocksize" and "nested_offset"');
  const nested = isNested
    ? [
        float32(stored.need(`${name}.nested_absmax`, entry), Math.ceil(blocks / outer)),
        float32(stored.need(`${name}.nested_quant_map`, entry), 256),
      ]
    : [];
  const columns = shape.at(-1)!;
  const table = finish(scalesIn({ entry: map, bytes: await stored.small(map), skipped: 0 }));
  const width = columns / 2 / widthOf(entry);
  return {
    name,
    shape,
    quantised: { format: type, block: blockIn(columns, blocksize), levels: levelsIn(table), offset: false },
    parts: [
      { entry, ...(Number.isInteger(width) && { byRows: { width } }) },
      { entry: absmax, ...byBlocks(columns, blocksize) },
      ...[map, stateEntry, ...nested].map((part) => ({ entry: part })),
    ],
    *decoder([elements, largest, _map, _state, outerScales, outerMap]) {
      const scales = isNested
        ? yield* unnested(largest, yield* scalesIn(outerScales), yield* scalesIn(outerMap), outer, offset)
        : yield* scalesIn(largest);
      const first = (elements.skipped * widthOf(entry)) >> 0;
      return decoderOf(elements.bytes, table, scales, { columns, blocksize, first, skipped: largest.skipped });
    },
  };
}

function decoderOf(
  bytes: Uint8Array,
  table: Float32Array,
  scales: Float32Array,
  { columns, blocksize, first, skipped }: Readonly<Record<'columns' | 'blocksize' | 'first' | 'skipped', number>>,
): RowDecoder {
  return (from, to, into, at) => {
    for (let i = from * columns, out = at; i < to * columns; ) {
      const block = Math.floor(i / blocksize);
      const scale = scales[block - skipped];
      const end = Math.min(to * columns, (block + 1) * blocksize);
      for (; i < end; i++, out++) {
        const byte = bytes[Math.floor(i / 2) - first];
        into[out] = table[i % 2 === 0 ? byte >> 4 : byte & 15] * scale;
      }
    }
  };
}

/** The largest ones of blocks that are stored in eight bits: those from `skipped` on. */
function* unnested(
  { bytes, skipped }: StoredBytes,
  scales: Float32Array,
  map: Float32Array,
  blocksize: number,
  offset: number,
): Generator<void, Float32Array> {
  const added = Math.fround(offset);
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.fround(map[bytes[i]] * scales[Math.floor((i + skipped) / blocksize)]) + added;
    if (i % SOME === 0) yield;
  }
  return values;
}

/** What rows need of what is one for each block, where blocks are whole in rows or rows in blocks. */
function byBlocks(columns: number, blocksize: number): Pick<StoredPart, 'byRows'> {
  if (columns % blocksize === 0) return { byRows: { width: columns / blocksize } };
  return blocksize % columns === 0 ? { byRows: { width: 1, rows: blocksize / columns } } : {};
}

/** Blocks go on from row to row. */
function blockIn(columns: number, blocksize: number): readonly [number, number] {
  return blocksize % columns === 0 ? [blocksize / columns, columns] : [1, blocksize];
}

/** @throws TensimError `INVALID_FILE` for what is no state */
function stateIn(bytes: Uint8Array, entry: TensorEntry): QuantState {
  let state: Partial<QuantState> | null = null;
  try {
    state = parseJson(Buffer.from(bytes).toString('utf8')) as Partial<QuantState> | null;
  } catch {
    throw noState(entry, 'is no JSON');
  }
  const { shape, blocksize } = state ?? {};
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
  if (!Array.isArray(shape) || shape.length === 0 || !shape.every(isSize) || !Number.isSafeInteger(sizeOf(shape)))
    throw noState(entry, 'says no "shape"');
  if (!isSize(blocksize)) throw noState(entry, 'says no "blocksize"');
  return state as QuantState;
}

const noState = ({ file, name }: TensorEntry, why: string) =>
  new TensimError('INVALID_FILE', `is to say how a weight is stored, and ${why}`, {
    file,
    tensor: name,
    hint: 'Get all of the model again, or save it with a current bitsandbytes',
  });

/** @throws TensimError `SHAPE_MISMATCH` */
function float32(entry: TensorEntry, count: number): TensorEntry {
  if (entry.dtype === 'F32' && sizeOf(entry.shape) === count) return entry;
  throw wrongShape(entry, `of ${entry.dtype}, and ${count} numbers of F32 are expected`);
}

/** A 127th, as bitsandbytes multiplies with it. */
const STEP = Math.fround(1 / 127);

/** A weight of LLM.int8: whole numbers of eight bits, 127 of which are the largest of their row. */
export async function llmInt8(entry: TensorEntry, stored: StoredTensors): Promise<Finding> {
  const module = /^(.*)\.weight$/.exec(entry.name)?.[1];
  const scales = module === undefined ? undefined : stored.get(`${module}.SCB`);
  if (scales === undefined || entry.dtype !== 'I8' || entry.shape.length !== 2) return undefined;
  const [outputs, inputs] = entry.shape;
  float32(scales, outputs);
  const format = stored.get(`${module}.weight_format`);
  // Others are orders of tiles for one kind of processor, which nobody writes any more.
  if (format !== undefined && (await stored.small(format))[0] !== 0)
    throw new TensimError('UNSUPPORTED_DTYPE', 'says that the weight lies in tiles, which is not decoded', {
      file: format.file,
      tensor: format.name,
      hint: 'Save the model again with a current bitsandbytes',
    });
  return {
    name: entry.name,
    shape: entry.shape,
    quantised: { format: 'LLM.int8', block: [1, inputs], levels: wholeLevels(-127, 127), offset: false },
    parts: [
      { entry, byRows: { width: inputs } },
      { entry: scales, byRows: { width: 1 } },
      ...(format === undefined ? [] : [{ entry: format }]),
    ],
    *decoder([elements, factors]) {
      const whole = new Int8Array(elements.bytes.buffer, elements.bytes.byteOffset, elements.bytes.length);
      const largest = yield* scalesIn(factors);
      return (from, to, into, at) => {
        for (let row = from, out = at; row < to; row++) {
          const factor = largest[row - factors.skipped];
          for (let i = row * inputs - elements.skipped, end = i + inputs; i < end; i++, out++)
            into[out] = Math.fround(whole[i] * factor) * STEP;
        }
      };
    },
  };
}
