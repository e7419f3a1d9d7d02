import { decodeFloats, floatArray, isFloatFormat } from '../tensor/convert.js';
import { isIntegerFormat, readInteger } from '../tensor/integers.js';
import { sizeOf } from '../tensor/tensor.js';
import { isStepName } from '../words/steps.js';
import { emptyMetadata, type TensorEntry } from './entry.js';
import type { OpenedFiles } from './opened_files.js';
import { readBytes } from './tensor_data.js';

/** Numbers beside weights that are read, at most, and the longest text. */
const MOST_READ = 1024;
const MOST_BYTES = 4096;

/**
 * Whether a tensor is a number that stands beside weights: how far the training is, by its name, in a file of any
 * format.
 */
export function isStep({ name, shape }: TensorEntry): boolean {
  return isStepName(name) && sizeOf(shape) === 1;
}

/**
 * The same, and any number or text that numpy.savez was given beside arrays: of the parameters of modules, which have
 * dots in their names, only what is no fraction.
 */
export function standsBeside(entry: TensorEntry): boolean {
  const { name, shape, dtype } = entry;
  return isStep(entry) || (shape.length === 0 && !(name.includes('.') && isFloatFormat(dtype)));
}

/**
 * Open files with what these tensors hold in the metadata, where these do not say it already; those that are neither
 * numbers nor texts are left.
 */
export async function withScalars(opened: OpenedFiles, isMeant: (entry: TensorEntry) => boolean): Promise<OpenedFiles> {
  try {
    const scalars = await scalarsIn(opened, isMeant);
    return { ...opened, metadata: Object.assign(scalars, opened.metadata) };
  } catch (error) {
    await Promise.all(opened.sources.map((source) => source.close()));
    throw error;
  }
}

async function scalarsIn(
  { sources, tensors }: OpenedFiles,
  isMeant: (entry: TensorEntry) => boolean,
): Promise<Record<string, string>> {
  const scalars = emptyMetadata();
  let read = 0;
  for (const entry of tensors.values()) {
    if (!isMeant(entry) || entry.bytes > MOST_BYTES || entry.bytes === 0) continue;
    if (read++ === MOST_READ) break;
    const source = sources.find(({ path }) => path === entry.file)!;
    const text = textOf(entry.dtype, await readBytes(source, entry));
    if (text !== undefined) scalars[entry.name] = text;
  }
  return scalars;
}

/** The one element of a type, in words; undefined for types that are neither numbers nor texts. */
function textOf(dtype: string, bytes: Uint8Array): string | undefined {
  if (isFloatFormat(dtype)) {
    const value = floatArray(dtype, 1);
    decodeFloats(bytes, dtype, value);
    return String(value[0]);
  }
  if (isIntegerFormat(dtype)) return String(readInteger(viewOf(bytes), 0, dtype));
  if (dtype === 'BOOL') return String(bytes[0] !== 0);
  // NumPy's own names for texts: code points of 32 bits, or bytes, each up to zeros at the end.
  const [, order, kind] = /^([<>|=]?)([US])\d+$/.exec(dtype) ?? [];
  if (kind === 'S') return Buffer.from(bytes).toString('utf8').replace(/\0+$/, '');
  if (kind !== 'U') return undefined;
  const view = viewOf(bytes);
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = view.getUint32(at, order !== '>');
    if (code === 0 || code > 0x10ffff) break;
    text += String.fromCodePoint(code);
  }
  return text;
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength);
