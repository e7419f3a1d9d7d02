import { extname } from 'node:path';
import type { AdapterMatrix } from '../../adapters/terms.js';
import { TensimError } from '../../errors.js';
import { oneLine } from '../../words/quoting.js';
import { crossCsv } from '../csv.js';
import { matrixNpy } from '../npy.js';
import { checkPlace, writeWhole } from '../write.js';
import { adaptersJsonText } from './json.js';

const WRITERS: Readonly<Record<string, (result: AdapterMatrix) => Iterable<string | Uint8Array>>> = {
  '.json': adaptersJsonText,
  '.csv': ({ labels, cosine }) => crossCsv({ rows: labels, columns: labels, cosine }),
  '.npy': ({ cosine }) => matrixNpy(cosine),
};

/**
 * Checks before a long computation that a matrix of adapters can be written.
 * @throws TensimError `INVALID_ARGUMENT` (ending; the file is a folder), `FILE_NOT_FOUND` (no such folder).
 */
export async function checkAdaptersFile(file: string): Promise<void> {
  writerOf(file);
  await checkPlace(file);
}

/**
 * Writes a matrix of adapters in the format that the file's ending names: all of it as .json, the cosines as .csv or
 * .npy. The file appears complete or not at all.
 *
 *     await writeAdapters(await adapterMatrix(['run_1/', 'run_2/']), 'adapters.csv');
 *
 * @throws TensimError as `checkAdaptersFile`, and where the system refuses to write.
 */
export async function writeAdapters(result: AdapterMatrix, file: string): Promise<void> {
  await checkAdaptersFile(file);
  await writeWhole(file, writerOf(file)(result));
}

function writerOf(file: string) {
  const writer = WRITERS[extname(file).toLowerCase()];
  if (writer !== undefined) return writer;
  throw new TensimError('INVALID_ARGUMENT', `a matrix of adapters cannot be written as ${oneLine(file)}`, {
    hint: `Its ending must be ${Object.keys(WRITERS).join(', ')}`,
  });
}
