import { TensimError } from '../errors.js';
import { decodeFloats, FLOAT_BYTES, type FloatFormat, floatArray, reverseElements } from '../tensor/convert.js';
import {
  decodeIntegers,
  INTEGER_BYTES,
  type IntegerFormat,
  type IntegerTensor,
  isIntegerFormat,
} from '../tensor/integers.js';
import type { Tensor } from '../tensor/tensor.js';
import { byteCount, quote } from './describe.js';
import { SourceFile } from './source-file.js';

/** Element types of NumPy without their byte order, under the names used here. */
const TYPES: Readonly<Record<string, FloatFormat | IntegerFormat>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  i1: 'I8',
  u1: 'U8',
  i2: 'I16',
  u2: 'U16',
  i4: 'I32',
  u4: 'U32',
  i8: 'I64',
  u8: 'U64',
};

/** Far above what the header of an array of numbers takes. */
const MOST_HEADER = 1 << 16;

interface Header {
  readonly format: FloatFormat | IntegerFormat;
  readonly bigEndian: boolean;
  readonly shape: readonly number[];
  /** Where the data begins. */
  readonly start: number;
}

/**
 * Reads the array of an .npy file (versions 1 to 3), C order: floats exactly, as float64 or float32; integers as 32-bit ones.
 * @throws TensimError `FILE_NOT_FOUND`; `INVALID_FILE` for what is no such file, is longer or shorter than it says, or holds integers
 * beyond 32 bits; `UNSUPPORTED_DTYPE` for other elements; `MEMORY_LIMIT`.
 */
export async function readNpy(path: string, signal?: AbortSignal): Promise<Tensor | IntegerTensor> {
  const file = await SourceFile.open(path);
  try {
    const header = await readHeader(file);
    return await readData(file, header, signal);
  } finally {
    await file.close();
  }
}

async function readData(file: SourceFile, header: Header, signal?: AbortSignal): Promise<Tensor | IntegerTensor> {
  const { format, bigEndian, shape, start } = header;
  const integers = isIntegerFormat(format);
  const width = integers ? INTEGER_BYTES[format] : FLOAT_BYTES[format];
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (elements * width !== file.size - start) {
    throw invalid(
      file,
      `says [${shape.join(', ')}] elements of ${byteCount(width)}, but has ${byteCount(file.size - start)} of data`,
    );
  }
  const target = allocate(file, () => (integers ? new Int32Array(elements) : floatArray(format, elements)));
  let at = 0;
  for await (const piece of file.chunks(start, elements * width, { signal })) {
    if (bigEndian) reverseElements(piece, width);
    if (target instanceof Int32Array) {
      const odd = decodeIntegers(piece, format as IntegerFormat, target, at);
      if (odd >= 0) throw invalid(file, `element ${odd} is beyond the range of 32-bit integers`);
    } else decodeFloats(piece, format as FloatFormat, target, at);
    at += piece.length / width;
  }
  return target instanceof Int32Array ? { data: target, shape } : { data: target, shape };
}

async function readHeader(file: SourceFile): Promise<Header> {
  if (file.size < 12) throw invalid(file, 'is too short to be an .npy file');
  const lead = Buffer.alloc(12);
  await file.read(lead, 0);
  if (lead.toString('latin1', 0, 6) !== '\x93NUMPY') throw invalid(file, 'is no .npy file: it does not begin as one');
  const version = lead[6];
  if (version < 1 || version > 3) throw invalid(file, `is of version ${version}; versions 1 to 3 are read`);
  const [length, at] = version === 1 ? [lead.readUInt16LE(8), 10] : [lead.readUInt32LE(8), 12];
  if (length > MOST_HEADER || at + length > file.size)
    throw invalid(file, `says that its header has ${byteCount(length)}`);
  const text = Buffer.alloc(length);
  await file.read(text, at);
  return { ...parseHeader(file, text.toString('latin1')), start: at + length };
}

/** The header is a Python dictionary of exactly three entries. */
function parseHeader(file: SourceFile, text: string): Omit<Header, 'start'> {
  const inner = /^\{(.*)\}\s*$/s.exec(text)?.[1];
  const entry = /\s*'(\w+)'\s*:\s*('[^']*'|True|False|\([\d,\s]*\))\s*(?:,|$)\s*/y;
  const found = new Map<string, string>();
  while (inner !== undefined && entry.lastIndex < inner.length) {
    const match = entry.exec(inner);
    if (match === null) break;
    found.set(match[1], match[2]);
    if (entry.lastIndex === inner.length) break;
  }
  const [descr, order, shape] = ['descr', 'fortran_order', 'shape'].map((key) => found.get(key));
  if (found.size !== 3 || entry.lastIndex !== inner?.length || !descr?.startsWith("'") || !shape?.startsWith('('))
    throw invalid(file, `has the header ${quote(text.trim())}, which is none of an array of numbers`);
  const type = /^'([<>|=]?)(\w+)'$/.exec(descr);
  const format = type === null || !Object.hasOwn(TYPES, type[2]) ? undefined : TYPES[type[2]];
  if (format === undefined) {
    throw new TensimError('UNSUPPORTED_DTYPE', `has elements of type ${quote(descr.slice(1, -1))}`, {
      file: file.path,
      hint: `Types ${Object.keys(TYPES).join(', ')} are read; convert with array.astype`,
    });
  }
  const extents = shape
    .slice(1, -1)
    .split(',')
    .map((extent) => extent.trim());
  if (extents.at(-1) === '') extents.pop();
  const sizes = extents.map(Number);
  if (!extents.every((extent) => /^\d{1,15}$/.test(extent))) throw invalid(file, `has the shape ${quote(shape)}`);
  if (order !== 'False' && sizes.length > 1) {
    throw new TensimError('INVALID_FILE', 'is in Fortran order', {
      file: file.path,
      hint: 'Save it with numpy.save(file, numpy.ascontiguousarray(array))',
    });
  }
  return { format, bigEndian: type?.[1] === '>', shape: Object.freeze(sizes) };
}

function allocate<T>(file: SourceFile, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new TensimError('MEMORY_LIMIT', `there is no memory for its ${byteCount(file.size)}`, {
      file: file.path,
      cause,
    });
  }
}

function invalid(file: SourceFile, problem: string): TensimError {
  return new TensimError('INVALID_FILE', problem, { file: file.path });
}
