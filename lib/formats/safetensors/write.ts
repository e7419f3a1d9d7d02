import { TensimError } from '../../errors.js';
import type { FloatFormat } from '../../tensor/convert.js';
import { byteCount, count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import { fromMemory, type NamedTensors, type OutgoingTensor } from '../outgoing.js';
import { replaceFile } from '../replace_file.js';
import { DTYPE_NAMES } from './dtypes.js';
import { HEADER_LIMITS } from './header.js';

/** How tensors are written. */
export interface WriteOptions {
  /** Element type of all tensors in the file. Default: F64 for a Float64Array, F32 for a Float32Array. */
  readonly dtype?: FloatFormat | undefined;
}

/**
 * What a file says beside its tensors: strings by name.
 * @inline
 */
type Metadata = Readonly<Record<string, string>>;

/**
 * Writes a safetensors file: tensors in the order given, the data aligned to eight bytes, strides resolved. The same
 * input gives the same bytes. The file appears under its name only when it is complete. Tensors are not copied: leave
 * them unchanged until the promise settles.
 *
 *     await writeSafetensors('weights.safetensors', { 'projection.weight': tensor(data, [10, 32]) }, { step: '6000' });
 *
 * @throws TensimError `INVALID_ARGUMENT` for names, metadata or paths that cannot be, `SHAPE_MISMATCH` for tensors that
 * do not fit their data, `NOT_FINITE` for a number beyond the range of `options.dtype`
 */
export async function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Metadata = {},
  options: WriteOptions = {},
): Promise<void> {
  await writeSafetensorsFile(path, fromMemory(tensors, options.dtype), metadata);
}

/** The bytes that `writeSafetensors` writes. */
export function encodeSafetensors(
  tensors: NamedTensors,
  metadata: Metadata = {},
  options: WriteOptions = {},
): Uint8Array {
  const outgoing = fromMemory(tensors, options.dtype);
  return Buffer.concat([headerOf(outgoing, metadata), ...outgoing.flatMap((tensor) => [...tensor.pieces()])]);
}

/**
 * Writes tensors from wherever they are; otherwise as `writeSafetensors`.
 * @throws TensimError as `writeSafetensors`, and `UNSUPPORTED_DTYPE` for elements that the format does not have
 */
export async function writeSafetensorsFile(
  path: string,
  tensors: readonly OutgoingTensor[],
  metadata: Metadata,
): Promise<void> {
  const header = headerOf(tensors, metadata);
  await replaceFile(path, async (handle) => {
    await handle.writeFile(header);
    for (const tensor of tensors) for await (const piece of tensor.pieces()) await handle.writeFile(piece);
  });
}

function headerOf(tensors: readonly OutgoingTensor[], metadata: Metadata): Uint8Array {
  // Members are joined by hand: an object would sort names that look like integers to the front.
  const members: string[] = [];
  let textBytes = 0;
  if (Object.keys(metadata).length > 0) {
    const text = metadataJson(metadata);
    textBytes += Buffer.byteLength(text);
    members.push(`"__metadata__":${text}`);
  }
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    if (!DTYPE_NAMES.includes(dtype))
      throw new TensimError('UNSUPPORTED_DTYPE', `safetensors has no elements of type ${quote(dtype)}`, {
        tensor: name,
      });
    const end = offset + bytes;
    const quoted = JSON.stringify(name);
    textBytes += Buffer.byteLength(quoted);
    members.push(`${quoted}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${offset},${end}]}`);
    offset = end;
  }
  if (tensors.length > HEADER_LIMITS.tensors || textBytes > HEADER_LIMITS.textBytes)
    throw new TensimError(
      'INVALID_ARGUMENT',
      `${count(tensors.length)} tensors with ${byteCount(textBytes)} of names and metadata are too many for one file`,
      { hint: `At most ${count(HEADER_LIMITS.tensors)} and ${byteCount(HEADER_LIMITS.textBytes)} can be read again` },
    );
  return headerBytes(`{${members.join(',')}}`);
}

function headerBytes(json: string): Uint8Array {
  const unpadded = Buffer.byteLength(json);
  const length = Math.ceil(unpadded / 8) * 8;
  const bytes = Buffer.alloc(8 + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  bytes.write(json, 8);
  return bytes;
}

function metadataJson(metadata: Metadata): string {
  const entries = Object.entries(metadata);
  for (const [key, value] of entries) {
    if (key === '__proto__') throw new TensimError('INVALID_ARGUMENT', 'metadata cannot have the key "__proto__"');
    if (typeof value !== 'string')
      throw new TensimError('INVALID_ARGUMENT', `metadata must be strings, ${quote(key)} is of type ${typeof value}`);
    if (/\p{Surrogate}/u.test(key + value))
      throw new TensimError('INVALID_ARGUMENT', `metadata ${quote(key)} contains half a surrogate pair`);
  }
  if (entries.length > HEADER_LIMITS.metadataEntries)
    throw new TensimError(
      'INVALID_ARGUMENT',
      `metadata has ${count(entries.length)} entries, too many to be read again`,
    );
  return JSON.stringify(metadata);
}
