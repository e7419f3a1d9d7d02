import { Pacer, unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import { byteCount, count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { MemoryBudget } from '../budget.js';
import { LISTING_LIMITS, type TensorEntry } from '../entry.js';
import { checkNames, checkTotal } from '../listing.js';
import type { OpenedFiles } from '../opened_files.js';
import { SourceFile } from '../source_file.js';
import { readMetadata } from './metadata.js';
import { HeaderReader } from './reader.js';
import { typeOf } from './types.js';

const MAGIC = 0x46554747; // "GGUF", little-endian
const VERSIONS = 3;
/** What elements are aligned to where `general.alignment` does not say it. */
const ALIGNMENT = 32;

/**
 * Opens a GGUF file of version 1 to 3: lists its tensors and its metadata. Weights are not read. Shapes are row-major,
 * which is the reverse of the file's own order; quantised types keep their names there (`Q4_K`, …).
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for what is damaged or cut short, and for more than is read
 */
export function openGguf(path: string, signal?: AbortSignal): Promise<OpenedFiles> {
  return SourceFile.openedFor(path, async (source) => {
    return { sources: [source], ...(await readHeader(source, signal)) };
  });
}

async function readHeader(source: SourceFile, signal?: AbortSignal): Promise<Omit<OpenedFiles, 'sources'>> {
  const reader = new HeaderReader(source, new Pacer(signal));
  const budget = new MemoryBudget(source.path);
  if (source.size === 0) throw reader.damaged('is empty');
  if ((await reader.uint32('its beginning')) !== MAGIC) throw reader.damaged('is no GGUF file');
  let version = await reader.uint32('its version');
  if ((version & 0xffff) === 0 && version !== 0) {
    reader.bigEndian = true;
    version >>>= 24;
  }
  if (version < 1 || version > VERSIONS)
    throw new TensimError('INVALID_FILE', `is a GGUF file of version ${version}, and 1 to ${VERSIONS} are read`, {
      file: source.path,
      hint: 'Convert the model again with a current program',
    });
  reader.wideCounts = version > 1;
  const tensors = await reader.count('the number of its tensors');
  const entries = await reader.count('the number of its metadata');
  if (tensors > LISTING_LIMITS.tensors)
    throw reader.damaged(`it lists ${tensors} tensors, at most ${count(LISTING_LIMITS.tensors)} are read`);
  const metadata = await readMetadata(reader, entries, budget);
  const listed = await readTensors(reader, tensors, source.path, budget);
  const alignment = alignmentIn(metadata, reader);
  const begin = Math.ceil(reader.position / alignment) * alignment;
  const found = new Map<string, TensorEntry>();
  for (const entry of listed) {
    const end = begin + entry.offset + entry.bytes;
    if (entry.offset % alignment !== 0)
      throw reader.damaged(`${quote(entry.name)} lies at byte ${entry.offset}, which is no multiple of ${alignment}`);
    if (end > source.size)
      throw reader.damaged(
        `it is cut short: ${quote(entry.name)} ends at byte ${end}, and the file has ${byteCount(source.size)}`,
      );
    found.set(entry.name, { ...entry, offset: begin + entry.offset });
  }
  await unhurried(checkNames(found.keys(), source.path, budget), signal);
  checkTotal(found.values(), source);
  return { metadata, tensors: found };
}

/** @throws TensimError `INVALID_FILE` for an alignment that none can be */
function alignmentIn(metadata: Readonly<Record<string, string>>, reader: HeaderReader): number {
  const alignment = Number(metadata['general.alignment'] ?? ALIGNMENT);
  if (Number.isInteger(Math.log2(alignment)) && alignment >= 1 && alignment <= 2 ** 24) return alignment;
  throw reader.damaged(`its tensors are aligned to ${alignment} bytes, which is no power of two`);
}

/** The tensors in the order of the listing, their places counted from where elements begin. */
async function readTensors(
  reader: HeaderReader,
  tensors: number,
  file: string,
  budget: MemoryBudget,
): Promise<readonly TensorEntry[]> {
  const listed: TensorEntry[] = [];
  const names = new Set<string>();
  let axes = 0;
  for (let tensor = 0; tensor < tensors; tensor++) {
    const name = await reader.text(LISTING_LIMITS.nameBytes, 'the name of a tensor');
    if (name === undefined)
      throw reader.damaged(`the name of a tensor has more than ${byteCount(LISTING_LIMITS.nameBytes)}`);
    if (names.has(name)) throw reader.damaged(`it has two tensors ${quote(name)}`);
    names.add(name);
    const rank = await reader.uint32('the rank of a tensor');
    axes += rank;
    if (rank > LISTING_LIMITS.rank || axes > LISTING_LIMITS.axes)
      throw reader.damaged(`${quote(name)} has ${count(rank)} axes, more than are read`);
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.unshift(await reader.count('the shape of a tensor'));
    const type = await reader.uint32('the type of a tensor');
    const offset = Number(await reader.uint64('the place of a tensor'));
    budget.spend(512 + 4 * name.length);
    listed.push(entryOf(reader, { name, shape, file, offset }, type));
  }
  return listed;
}

function entryOf(
  reader: HeaderReader,
  place: Pick<TensorEntry, 'name' | 'shape' | 'file' | 'offset'>,
  number: number,
): TensorEntry {
  const { name, shape } = place;
  const type = typeOf(number);
  if (type === undefined) throw reader.damaged(`${quote(name)} has elements of type ${number}, which is not known`);
  const { dtype, elements, bytes } = type;
  const size = sizeOf(shape);
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(size * bytes) || (shape.at(-1) ?? 1) % elements !== 0)
    throw reader.damaged(`${quote(name)} has the shape [${shape.join(', ')}], which no tensor of ${dtype} has`);
  const swapped = reader.bigEndian && bytes > 1;
  return { ...place, dtype, bytes: (size / elements) * bytes, ...(swapped && { bigEndian: true }) };
}
