import { byteCount, count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { emptyMetadata, LISTING_LIMITS, nameProblem, type TensorEntry } from '../entry.js';
import { JsonReader } from '../json_reader.js';
import { DTYPE_NAMES, type Dtype, findDtype } from './dtypes.js';
import { parseMetadata, type ValueReader } from './metadata.js';

/** What is accepted of a header: of its listing as everywhere, and of its size as the format has it. */
export const HEADER_LIMITS = {
  /** Bytes of the JSON. */
  bytes: 100_000_000,
  ...LISTING_LIMITS,
} as const;

export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of their data in the file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

/** What helps against a damaged file. */
export const DAMAGED_HINT = 'The file is damaged or was not written as safetensors: download or export it again';

/**
 * Parses the JSON header of a safetensors file, pausing after every tensor. Nothing is believed: offsets must tile the
 * data section from its first byte to its last, and every size must follow from shape and dtype.
 *
 * @param bytes the JSON, without the eight bytes of its length
 * @param fileBytes the true size of the file
 * @throws TensimError `INVALID_FILE` for every violation of the format
 */
export function* parseHeader(bytes: Buffer, file: string, fileBytes: number): Generator<void, Header> {
  const reader = new JsonReader(bytes, { file, part: 'header', hint: DAMAGED_HINT }, HEADER_LIMITS.textBytes);
  if (bytes[0] !== 0x7b) throw reader.errorHere('the header must begin with "{"');
  const dataStart = 8 + bytes.length;
  const tensors = new Map<string, TensorEntry>();
  let axes = 0;
  let metadata: Readonly<Record<string, string>> | undefined;
  for (let more = reader.enter('{', 'the header'); more; more = reader.next('}', 'the header')) {
    const name = reader.key('the header');
    if (name === '__metadata__') {
      if (metadata !== undefined) throw reader.errorHere('"__metadata__" appears twice');
      // The reference implementation has it as optional, and takes null for nothing.
      metadata = reader.nothing() ? emptyMetadata() : yield* parseMetadata(reader, '"__metadata__"', TEXT);
      continue;
    }
    const problem = nameProblem(name);
    if (problem !== undefined) throw reader.errorHere(`the tensor name ${quote(name)} ${problem}`);
    reader.tensor = name;
    if (tensors.has(name)) throw reader.errorHere('the tensor appears twice in the header');
    const tensor = parseTensor(reader, name, file, dataStart);
    axes += tensor.shape.length;
    if (tensors.size === HEADER_LIMITS.tensors || axes > HEADER_LIMITS.axes)
      throw reader.errorHere(
        `the header lists more than ${count(HEADER_LIMITS.tensors)} tensors or ${count(HEADER_LIMITS.axes)} axes, the most that is read`,
      );
    tensors.set(name, tensor);
    reader.tensor = undefined;
    yield;
  }
  yield* reader.end('spaces');
  const sorted = sortByPlace(tensors);
  checkTiling(reader, sorted, dataStart, fileBytes);
  return { metadata: metadata ?? emptyMetadata(), tensors: sorted };
}

// biome-ignore lint/correctness/useYield: other metadata have values that take their time
const TEXT: ValueReader = function* (reader, what) {
  return reader.string(what);
};

function parseTensor(reader: JsonReader, name: string, file: string, dataStart: number): TensorEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let range: number[] | undefined;
  for (let more = reader.enter('{', 'its entry'); more; more = reader.next('}', 'its entry')) {
    const field = reader.key('its entry');
    if (field === 'dtype' && dtype === undefined) dtype = reader.string('"dtype"');
    else if (field === 'shape' && shape === undefined) shape = parseIntegers(reader, '"shape"', HEADER_LIMITS.rank);
    else if (field === 'data_offsets' && range === undefined) range = parseIntegers(reader, '"data_offsets"', 2);
    else if (field === 'dtype' || field === 'shape' || field === 'data_offsets')
      throw reader.errorHere(`its entry has "${field}" twice`);
    else throw reader.errorHere(`its entry has the unknown field ${quote(field)}`);
  }
  if (dtype === undefined) throw reader.errorHere('its entry has no "dtype"');
  if (shape === undefined) throw reader.errorHere('its entry has no "shape"');
  if (range === undefined) throw reader.errorHere('its entry has no "data_offsets"');
  if (range.length !== 2) throw reader.errorHere(`"data_offsets" must be two integers, found ${range.length}`);
  const type = findDtype(dtype);
  if (type === undefined)
    throw reader.errorHere(`unknown dtype ${quote(dtype)}; the format has ${DTYPE_NAMES.join(', ')}`);
  const [begin, end] = range;
  if (end < begin) throw reader.errorHere(`its data_offsets [${begin}, ${end}] run backwards`);
  const bytes = tensorBytes(reader, type, shape);
  if (end - begin !== bytes)
    throw reader.errorHere(
      `shape [${shape.join(', ')}] of ${dtype} needs ${byteCount(bytes)}, ` +
        `its data_offsets [${begin}, ${end}] give it ${count(end - begin)}`,
    );
  // The name from the table, one string for all tensors of a type.
  return { name, dtype: type.name, shape, bytes, file, offset: dataStart + begin };
}

function parseIntegers(reader: JsonReader, what: string, limit: number): number[] {
  const values: number[] = [];
  for (let more = reader.enter('[', what); more; more = reader.next(']', what)) {
    if (values.length === limit) throw reader.errorHere(`${what} has more than ${limit} numbers`);
    values.push(reader.integer(what));
  }
  // The copy has no room to grow: V8 makes room for 17 numbers at the first push, several times what most shapes need.
  return values.slice();
}

/** Product of shape and element size. A product beyond 2^53 is refused even if a later extent is zero. */
function tensorBytes(reader: JsonReader, { name, bits }: Dtype, shape: readonly number[]): number {
  let total = bits;
  for (const extent of shape) {
    total *= extent;
    if (total > Number.MAX_SAFE_INTEGER)
      throw reader.errorHere(`shape [${shape.join(', ')}] of ${name} is larger than any file can be`);
  }
  if (total % 8 !== 0)
    throw reader.errorHere(
      `shape [${shape.join(', ')}] of ${name} has ${count(total)} bits, not a whole number of bytes`,
    );
  return total / 8;
}

/**
 * The tensors in the order of their data, which is that of the header in most files; empty ones before those that begin
 * where they lie.
 */
function sortByPlace(tensors: ReadonlyMap<string, TensorEntry>): ReadonlyMap<string, TensorEntry> {
  const order = (a: TensorEntry, b: TensorEntry) => a.offset - b.offset || a.bytes - b.bytes;
  let previous: TensorEntry | undefined;
  for (const tensor of tensors.values()) {
    if (previous !== undefined && order(previous, tensor) > 0)
      return new Map([...tensors.values()].sort(order).map((entry) => [entry.name, entry]));
    previous = tensor;
  }
  return tensors;
}

/** Checks that the tensors, in order, cover the data section: no byte left out, none used twice. */
function checkTiling(
  reader: JsonReader,
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fileBytes: number,
): void {
  let end = dataStart;
  for (const tensor of tensors.values()) end = Math.max(end, tensor.offset + tensor.bytes);
  if (end > fileBytes)
    throw reader.error(
      `the file ends after ${byteCount(fileBytes)} but its header describes ${count(end)}: ` +
        'the download or copy was probably cut short',
    );
  let reached = dataStart;
  let previous: TensorEntry | undefined;
  for (const tensor of tensors.values()) {
    const range = `[${tensor.offset - dataStart}, ${tensor.offset - dataStart + tensor.bytes}]`;
    if (tensor.offset !== reached) {
      reader.tensor = tensor.name;
      throw reader.error(
        tensor.offset < reached && previous !== undefined
          ? `its data_offsets ${range} overlap those of tensor "${previous.name}", which end at ${reached - dataStart}`
          : `its data_offsets ${range} leave a hole: the data before ends at ${reached - dataStart}`,
      );
    }
    reached += tensor.bytes;
    previous = tensor;
  }
  if (reached < fileBytes)
    throw reader.error(
      `${byteCount(fileBytes - reached)} follow the last tensor: the file has ${byteCount(fileBytes)}, ` +
        `its header describes ${count(reached)}`,
    );
}
