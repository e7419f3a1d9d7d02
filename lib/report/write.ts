import { type FileHandle, stat } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { TensimError } from '../errors.js';
import { placeOf } from '../formats/place.js';
import { replaceFile } from '../formats/replace_file.js';
import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import type { RidgeSweep } from '../similarity/series/ridge_sweep.js';
import type { CrossSimilarity, SimilarityMatrix, SimilarityResult } from '../similarity/terms/types.js';
import { valueText } from '../words/quoting.js';
import { type About, aboutNow } from './about.js';
import { compareCsv, crossCsv, matrixCsv, measuresCsv } from './csv.js';
import { compareHtml, matrixHtml } from './html.js';
import { compareJsonText, crossJsonText, matrixJsonText, measuresJsonText } from './json.js';
import { matricesNpy, matrixNpy } from './npy.js';
import { ridgeJsonText } from './ridge/json.js';
import { ridgeHtml, ridgeSvg } from './ridge/page.js';
import { ridgeCsv, sweptMatrix } from './ridge/rows.js';
import { crossHtml, measuresHtml } from './several.js';
import { compareSvg, crossSvg, matrixSvg, measuresSvg } from './svg.js';

/** What a report can be about; `kind` tells which. */
export type Report =
  | SimilarityResult
  | SimilarityMatrix
  | CrossSimilarity
  | MeasureComparison
  | RidgeSweep<SimilarityResult | SimilarityMatrix | CrossSimilarity>;

export type ReportFormat = 'json' | 'csv' | 'npy' | 'svg' | 'html';

/** What a report is told beside the result. */
export interface ReportOptions {
  /** What was typed to get it: a page says so. */
  readonly command?: string | undefined;
}

type Pieces = Iterable<string | Uint8Array>;

const FORMATS: readonly ReportFormat[] = ['json', 'csv', 'npy', 'svg', 'html'];
/** Bytes gathered before they are written. */
const WRITE_SIZE = 1 << 16;

/**
 * The format that a file name asks for by its ending, in upper or lower case.
 * @throws TensimError `INVALID_ARGUMENT` for any other ending; it lists the endings.
 */
export function reportFormat(file: string): ReportFormat {
  if (typeof file !== 'string')
    throw new TensimError('INVALID_ARGUMENT', `the file of a report is ${valueText(file)}`, {
      hint: 'Give its path: writeReport(result, "report.html")',
    });
  const ending = /[/\\]$/.test(file) ? '' : extname(file).toLowerCase();
  const format = FORMATS.find((name) => ending === `.${name}`);
  if (format !== undefined) return format;
  throw new TensimError(
    'INVALID_ARGUMENT',
    `"${file}" does not say which kind of report to write: it has ${ending === '' ? 'no ending' : `the ending "${ending}"`}`,
    { hint: `Endings are ${FORMATS.map((name) => `.${name}`).join(', ')}` },
  );
}

/**
 * Checks before a long computation that its report can be written: the ending, and that the folder is there.
 * @throws TensimError `INVALID_ARGUMENT` (ending; a folder, a pipe, a device, a read-only file), `FILE_NOT_FOUND` (no
 * such folder).
 */
export async function checkReportFile(file: string): Promise<ReportFormat> {
  const format = reportFormat(file);
  await checkPlace(file);
  return format;
}

/**
 * Checks that a file can be put where its name says.
 * @throws TensimError `INVALID_ARGUMENT` if it is a folder, a pipe, a device or read-only, `FILE_NOT_FOUND` if there is
 * no folder for it.
 */
export async function checkPlace(file: string): Promise<void> {
  const { target } = await placeOf(file);
  const folder = dirname(target);
  if (!(await stat(folder).catch(() => null))?.isDirectory())
    throw new TensimError('FILE_NOT_FOUND', `there is no folder "${folder}" to write to`, {
      file,
      hint: 'Create the folder first',
    });
}

/**
 * Writes a result in the format that the file's ending names. The file appears complete or not at all. NPY holds the
 * similarities: the matrix, for two models that of both, for several measures one matrix after the other; of a sweep over
 * ridges a row for each.
 *
 *     await writeReport(await similarityMatrix(checkpoints), 'report.html'); // or .json, .csv, .npy, .svg
 *
 * @throws TensimError as `checkReportFile`; `INVALID_ARGUMENT` for what is no result, and where the system refuses to
 * write, with its reason.
 */
export async function writeReport(result: Report, file: string, { command }: ReportOptions = {}): Promise<void> {
  const format = await checkReportFile(file);
  await writeWhole(file, await piecesOf(result, format, command));
}

/**
 * Writes a file of pieces, so that it appears complete or not at all.
 * @throws what making the pieces throws; TensimError `INVALID_ARGUMENT` where the system refuses to write, with its
 * reason.
 */
export async function writeWhole(file: string, pieces: Pieces): Promise<void> {
  await replaceFile(file, (handle) => writePieces(handle, pieces));
}

/** How a kind of result is written in each format. */
type Writers<Result> = {
  readonly [format in ReportFormat]: (result: Result, about: About) => Pieces | Promise<Pieces>;
};

const WRITERS: { readonly [Kind in Report['kind']]: Writers<Extract<Report, { readonly kind: Kind }>> } = {
  pair: {
    json: compareJsonText,
    csv: compareCsv,
    npy: ({ similarity }) => matrixNpy([Float64Array.of(1, similarity), Float64Array.of(similarity, 1)]),
    svg: async (result) => [await compareSvg(result)],
    html: async (result, about) => [await compareHtml(result, about)],
  },
  matrix: {
    json: matrixJsonText,
    csv: matrixCsv,
    npy: ({ cosine }) => matrixNpy(cosine),
    svg: async (matrix) => [await matrixSvg(matrix)],
    html: async (matrix, about) => [await matrixHtml(matrix, about)],
  },
  cross: {
    json: crossJsonText,
    csv: crossCsv,
    npy: ({ cosine }) => matrixNpy(cosine),
    svg: async (cross) => [await crossSvg(cross)],
    html: async (cross, about) => [await crossHtml(cross, about)],
  },
  measures: {
    json: measuresJsonText,
    csv: measuresCsv,
    npy: ({ matrices }) => matricesNpy(matrices.map(({ cosine }) => cosine)),
    svg: async (comparison) => [await measuresSvg(comparison)],
    html: async (comparison, about) => [await measuresHtml(comparison, about)],
  },
  ridge: {
    json: ridgeJsonText,
    csv: ridgeCsv,
    npy: (sweep) => matrixNpy(sweptMatrix(sweep)),
    svg: async (sweep) => [await ridgeSvg(sweep)],
    html: async (sweep, about) => [await ridgeHtml(sweep, about)],
  },
};

/**
 * The page of a result, as `writeReport` writes it to a file.
 * @throws TensimError as `writeReport`
 */
export async function reportHtml(result: Report, command?: string): Promise<string> {
  return [...(await piecesOf(result, 'html', command))].join('');
}

async function piecesOf(result: Report, format: ReportFormat, command: string | undefined): Promise<Pieces> {
  const kind: unknown = (result as Partial<Report> | null | undefined)?.kind;
  const writers: Writers<never> | undefined = Object.hasOwn(WRITERS, kind as string)
    ? WRITERS[kind as Report['kind']]
    : undefined;
  if (writers !== undefined) {
    return writers[format](result as never, format === 'html' ? await aboutNow(firstOf(result), command) : {});
  }
  throw new TensimError('INVALID_ARGUMENT', 'a report is about a result: its `kind` says which', {
    hint: `Results are of the kinds ${Object.keys(WRITERS).join(', ')}`,
  });
}

/** Of several results about the same models the first. */
function firstOf(result: Report): SimilarityResult | SimilarityMatrix | CrossSimilarity {
  switch (result.kind) {
    case 'measures':
      return result.matrices[0];
    case 'ridge':
      return result.steps[0].result;
    default:
      return result;
  }
}

/**
 * Pieces are made while they are written, a few at a time, so that a large matrix neither fills memory nor stops other
 * work.
 */
async function writePieces(handle: FileHandle, pieces: Pieces): Promise<void> {
  let gathered: Buffer[] = [];
  let bytes = 0;
  const flush = async () => {
    await handle.writeFile(Buffer.concat(gathered));
    gathered = [];
    bytes = 0;
    await setImmediate();
  };
  for (const piece of pieces) {
    gathered.push(Buffer.from(piece as Uint8Array));
    bytes += gathered.at(-1)!.length;
    if (bytes >= WRITE_SIZE) await flush();
  }
  await flush();
}
