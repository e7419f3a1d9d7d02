import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import { byteCount } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { type Deflated, LISTING_LIMITS, type TensorEntry } from '../entry.js';
import { lookAlike } from '../look_alike.js';
import type { SourceFile } from '../source_file.js';
import { rowMajorStrides } from '../strided.js';
import { inflatedStart } from '../zip/inflate.js';
import { parseDescr } from './dtypes.js';

/** Far above what the header of an array of numbers takes. */
const MOST_HEADER = 1 << 16;
const MAGIC = '\x93NUMPY';
/** Magic, version and the longer of the two lengths. */
const LEAD = 12;

/** Where an array in .npy format lies: a file, or a member of an archive. */
export interface NpyPlace {
  readonly source: SourceFile;
  readonly start: number;
  readonly size: number;
  /** The name it is listed under. */
  readonly name: string;
  /** Whether errors should say it. */
  readonly named: boolean;
  /** Of a member that is compressed: its size as it lies in the file, and the checksum of what it unfolds to. */
  readonly deflated?: Pick<Deflated, 'stored' | 'crc'>;
}

/**
 * Reads the header of an array in .npy format (versions 1 to 3, in C or Fortran order). Elements that are no numbers
 * are listed under NumPy's own name for them, and cannot be read.
 * @throws TensimError `INVALID_FILE` for what is no such array, is longer or shorter than it says
 */
export async function readNpyHeader(place: NpyPlace): Promise<TensorEntry> {
  const { source, start, size, name, deflated } = place;
  const fail = (problem: string, hint?: string) => invalid(place, problem, hint);
  if (size < LEAD) throw fail('is too short to be an .npy file', lookAlike(await bytesAt(place, 0, size)));
  const lead = await bytesAt(place, 0, LEAD);
  if (!isNpy(lead)) throw fail('is no .npy file: it does not begin as one', lookAlike(lead));
  const version = lead[6];
  if (version < 1 || version > 3) throw fail(`is of version ${version}; versions 1 to 3 are read`);
  const [length, at] = version === 1 ? [lead.readUInt16LE(8), 10] : [lead.readUInt32LE(8), LEAD];
  if (length > MOST_HEADER || at + length > size) throw fail(`says that its header has ${byteCount(length)}`);
  const text = await bytesAt(place, at, length);
  const { descr, fortran, shape } = parseHeader(place, text.toString('latin1'));
  const type = parseDescr(descr);
  const held = size - at - length;
  if (type !== undefined && sizeOf(shape) * type.width !== held)
    throw fail(`says [${shape.join(', ')}] elements of ${byteCount(type.width)}, but has ${byteCount(held)} of data`);
  return {
    name,
    dtype: type?.dtype ?? descr,
    shape,
    bytes: held,
    file: source.path,
    offset: deflated === undefined ? start + at + length : start,
    ...(fortran && shape.length > 1 && { strides: rowMajorStrides([...shape].reverse()).reverse() }),
    ...(type?.bigEndian && { bigEndian: true }),
    ...(deflated && { deflated: { ...deflated, unfolded: size, skipped: at + length } }),
  };
}

/** Whether the first bytes are those of an array in .npy format. */
export const isNpy = (lead: Buffer): boolean => lead.toString('latin1', 0, MAGIC.length) === MAGIC;

/**
 * Bytes of a place, of one that is compressed by unfolding what is before them.
 * @throws TensimError `INVALID_FILE` if there are fewer
 */
export async function bytesAt(place: NpyPlace, at: number, length: number): Promise<Buffer> {
  const { source, start, name, deflated } = place;
  if (deflated === undefined) {
    const bytes = Buffer.alloc(length);
    await source.read(bytes, start + at);
    return bytes;
  }
  const bytes = await inflatedStart(source, start, deflated.stored, at + length, { tensor: name });
  if (bytes.length < at + length) throw invalid(place, 'is shorter than the directory says');
  return Buffer.from(bytes.subarray(at));
}

interface NpyHeader {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

/**
 * The header is a Python dictionary of exactly three entries, with quotes of either kind and, from Python 2, long
 * integers such as `3L`. Types of structures are lists of pairs.
 */
function parseHeader(place: NpyPlace, text: string): NpyHeader {
  const inner = /^\{(.*)\}\s*$/s.exec(text)?.[1];
  const entry =
    /\s*(?:'(\w+)'|"(\w+)")\s*:\s*('[\w<>|=.[\]]{1,32}'|"[\w<>|=.[\]]{1,32}"|\[[\w<>|=.'", ()]{1,1024}\]|True|False|\([\d,\sL]*\))\s*(?:,|$)\s*/y;
  const found = new Map<string, string>();
  while (inner !== undefined && entry.lastIndex < inner.length) {
    const match = entry.exec(inner);
    if (match === null) break;
    found.set(match[1] ?? match[2], match[3]);
    if (entry.lastIndex === inner.length) break;
  }
  const [descr, order, shape] = ['descr', 'fortran_order', 'shape'].map((key) => found.get(key));
  if (found.size !== 3 || entry.lastIndex !== inner?.length || !/^['"[]/.test(descr ?? '') || !shape?.startsWith('('))
    throw invalid(place, `has the header ${quote(text.trim())}, which is none of an array of numbers`);
  const extents = shape.slice(1, -1).split(',');
  const texts = extents.map((extent) => extent.trim().replace(/L$/, ''));
  if (texts.at(-1) === '') texts.pop();
  if (texts.length > LISTING_LIMITS.rank || !texts.every((extent) => /^\d{1,15}$/.test(extent)))
    throw invalid(place, `has the shape ${quote(shape)}`);
  return {
    descr: descr!.startsWith('[') ? descr! : descr!.slice(1, -1),
    fortran: order === 'True',
    shape: Object.freeze(texts.map(Number)),
  };
}

function invalid({ source, name, named }: NpyPlace, problem: string, hint?: string): TensimError {
  return new TensimError('INVALID_FILE', problem, {
    file: source.path,
    ...(named && { tensor: name }),
    hint: hint ?? 'Write it with numpy.save or numpy.savez',
  });
}
