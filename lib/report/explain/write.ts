import { extname } from 'node:path';
import { TensimError } from '../../errors.js';
import type { Explanation } from '../../similarity/explain/types.js';
import { jsonText } from '../../words/quoting.js';
import { type About, aboutNow } from '../about.js';
import { checkPlace, type ReportOptions, writeWhole } from '../write.js';
import { imageShape } from './image.js';
import type { ImageShape } from './inputs.js';
import { explanationJson } from './json.js';
import { explanationHtml, explanationSvg } from './page.js';

/** How an explanation is shown. */
export interface ExplanationReportOptions extends ReportOptions {
  /** Inputs as a picture, `8x8` or `3x32x32`: directions are drawn. Without, their largest entries are named. */
  readonly image?: string | undefined;
}

type Writer = (found: Explanation, image: ImageShape | null, about: About) => Promise<string>;

const WRITERS: Readonly<Record<string, Writer>> = {
  '.json': async (found) => `${jsonText(explanationJson(found))}\n`,
  '.svg': explanationSvg,
  '.html': explanationHtml,
};

/**
 * Checks before a long computation that a report on an explanation can be written.
 * @throws TensimError `INVALID_ARGUMENT` (ending; the file is a folder), `FILE_NOT_FOUND` (no such folder).
 */
export async function checkExplanationFile(file: string): Promise<void> {
  writerOf(file);
  await checkPlace(file);
}

/**
 * Writes an explanation in the format that the file's ending names: .json, .svg or .html. The file appears complete or
 * not at all.
 *
 *     await writeExplanation(await explain(a, b), 'difference.html', { image: '8x8' });
 *
 * @throws TensimError as `checkExplanationFile`; `INVALID_ARGUMENT` for an image that does not hold the inputs, and
 * where the system refuses to write.
 */
export async function writeExplanation(
  found: Explanation,
  file: string,
  { image, command }: ExplanationReportOptions = {},
): Promise<void> {
  await checkExplanationFile(file);
  await writeWhole(file, [await writerOf(file)(found, imageOf(found, image), await aboutNow(found, command))]);
}

/** The shape of the pictures of an explanation; null where none are wanted. */
export function imageOf(found: Explanation, image: string | undefined): ImageShape | null {
  return image === undefined || found.kind !== 'forms' ? null : imageShape(image, found.inputs);
}

function writerOf(file: string) {
  const writer = WRITERS[extname(file).toLowerCase()];
  if (writer !== undefined) return writer;
  throw new TensimError('INVALID_ARGUMENT', `"${file}" does not say which kind of report to write`, {
    hint: `Endings are ${Object.keys(WRITERS).join(', ')}`,
  });
}
