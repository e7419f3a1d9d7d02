import { extname } from 'node:path';
import type { BlocksResult } from '../../blocks/terms.js';
import { TensimError } from '../../errors.js';
import { jsonText } from '../../words/quoting.js';
import { type About, aboutNow } from '../about.js';
import { checkPlace, type ReportOptions, writeWhole } from '../write.js';
import { blocksSvg } from './chart.js';
import { blocksJson } from './json.js';
import { blocksHtml } from './page.js';

const WRITERS: Readonly<Record<string, (result: BlocksResult, about: About) => Promise<string>>> = {
  '.json': async (result) => `${jsonText(blocksJson(result))}\n`,
  '.svg': blocksSvg,
  '.html': blocksHtml,
};

/**
 * Checks before a long computation that a report on blocks can be written.
 * @throws TensimError `INVALID_ARGUMENT` (ending; the file is a folder), `FILE_NOT_FOUND` (no such folder).
 */
export async function checkBlocksFile(file: string): Promise<void> {
  writerOf(file);
  await checkPlace(file);
}

/**
 * Writes a comparison of blocks in the format that the file's ending names: .json, .svg or .html. The file appears
 * complete or not at all.
 *
 *     await writeBlocks(await similarityOfBlocks('base/', 'tuned/'), 'strip.html');
 *
 * @throws TensimError as `checkBlocksFile`, and where the system refuses to write.
 */
export async function writeBlocks(result: BlocksResult, file: string, { command }: ReportOptions = {}): Promise<void> {
  await checkBlocksFile(file);
  await writeWhole(file, [await writerOf(file)(result, await aboutNow(result, command))]);
}

function writerOf(file: string) {
  const writer = WRITERS[extname(file).toLowerCase()];
  if (writer !== undefined) return writer;
  throw new TensimError('INVALID_ARGUMENT', `"${file}" does not say which kind of report to write`, {
    hint: `Endings are ${Object.keys(WRITERS).join(', ')}`,
  });
}
