import type { FileHandle } from 'node:fs/promises';
import { TensimError } from '../../errors.js';
import { decodeFloats, encodeFloats } from '../../tensor/convert.js';
import { quote } from '../../words/quoting.js';
import type { OutgoingTensor } from '../outgoing.js';
import { replaceFile } from '../replace_file.js';
import { ZipWriter } from '../zip/write.js';
import { descrOf } from './dtypes.js';
import { npyHeader } from './npy_header.js';

/**
 * Writes an .npz archive, uncompressed, as numpy.savez does. The same input gives the same bytes. BF16, which NumPy
 * does not have, is written as F32, which holds it exactly.
 * @throws TensimError `UNSUPPORTED_DTYPE` for other elements that NumPy does not have, `INVALID_ARGUMENT` where the
 * system refuses
 */
export async function writeNpz(path: string, tensors: readonly OutgoingTensor[]): Promise<void> {
  const forms = tensors.map(formOf);
  await replaceFile(path, async (handle) => {
    const archive = new ZipWriter(handle);
    for (const { name, header, bytes, pieces } of forms)
      await archive.add(`${name}.npy`, header.length + bytes, headed(header, pieces()));
    await archive.end();
  });
}

/**
 * Writes one tensor as an .npy file; otherwise as `writeNpz`.
 * @throws TensimError as `writeNpz`
 */
export async function writeNpy(path: string, tensor: OutgoingTensor): Promise<void> {
  const { header, pieces } = formOf(tensor);
  await replaceFile(path, async (handle: FileHandle) => {
    for await (const piece of headed(header, pieces())) await handle.writeFile(piece);
  });
}

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

interface NumpyForm {
  readonly name: string;
  readonly header: Uint8Array;
  readonly bytes: number;
  pieces(): Pieces;
}

function formOf(tensor: OutgoingTensor): NumpyForm {
  const { name, dtype, shape, bytes } = tensor;
  if (dtype === 'BF16')
    return { name, header: npyHeader('<f4', shape), bytes: 2 * bytes, pieces: () => widened(tensor.pieces()) };
  const descr = descrOf(dtype);
  if (descr === undefined)
    throw new TensimError('UNSUPPORTED_DTYPE', `NumPy has no elements of type ${quote(dtype)}`, { tensor: name });
  return { name, header: npyHeader(descr, shape), bytes, pieces: () => tensor.pieces() };
}

async function* headed(header: Uint8Array, pieces: Pieces): AsyncGenerator<Uint8Array> {
  yield header;
  yield* pieces;
}

async function* widened(pieces: Pieces): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    const values = new Float32Array(piece.length / 2);
    decodeFloats(piece, 'BF16', values);
    yield encodeFloats(values, 'F32');
  }
}
