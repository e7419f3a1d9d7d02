import type { BlocksMatrix } from '../blocks/matrix_terms.js';
import type { BlocksResult } from '../blocks/terms.js';
import { TensimError } from '../errors.js';
import { blocksJson } from '../report/blocks/json.js';
import { blocksMatrixCsv, blocksMatrixJson, blocksMatrixText } from '../report/blocks/matrix.js';
import { blocksText } from '../report/blocks/text.js';
import { checkBlocksFile, writeBlocks } from '../report/blocks/write.js';
import { checkPlace, writeWhole } from '../report/write.js';
import { jsonText, oneLine } from '../words/quoting.js';
import { fitted, type Io, say } from './io.js';
import { textOptions } from './options.js';

/** Refuses reports on blocks that cannot be written. */
export async function checkBlocksFiles(out: readonly string[], isMatrix: boolean): Promise<void> {
  for (const file of out) {
    if (!isMatrix) await checkBlocksFile(file);
    else if (/\.(?:csv|json)$/i.test(file)) await checkPlace(file);
    else
      throw new TensimError('INVALID_ARGUMENT', `blocks of several networks cannot be written as ${oneLine(file)}`, {
        hint: 'Its ending must be .csv or .json',
      });
  }
}

/** Writes reports, and says so. */
export async function writeBlocksFiles(
  result: BlocksResult | BlocksMatrix,
  out: readonly string[],
  io: Io,
): Promise<void> {
  for (const file of out) {
    if (result.kind === 'blocks') await writeBlocks(result, file, { command: io.command });
    else if (/\.csv$/i.test(file)) await writeWhole(file, blocksMatrixCsv(result));
    else await writeWhole(file, [`${jsonText(blocksMatrixJson(result))}\n`]);
    say(io, `wrote ${oneLine(file)}\n`);
  }
}

/** What is printed of blocks. */
export function blocksOutput(result: BlocksResult | BlocksMatrix, asJson: boolean, io: Io): string {
  if (result.kind === 'blocks')
    return asJson ? `${jsonText(blocksJson(result))}\n` : fitted(io, blocksText(result, textOptions(io)));
  return asJson ? `${jsonText(blocksMatrixJson(result))}\n` : fitted(io, blocksMatrixText(result, textOptions(io)));
}
