import { stat } from 'node:fs/promises';
import type { BlocksResult } from '../blocks/terms.js';
import type { Explanation } from '../similarity/explain/types.js';
import type {
  CrossSimilarity,
  ResultInfo,
  SimilarityMatrix,
  SimilarityResult,
  Source,
} from '../similarity/terms/types.js';
import { version } from '../version.js';
import { bytesText } from '../words/bytes.js';
import { escapeMarkup } from '../words/markup.js';
import { definitionTable } from './page.js';
import { provenance } from './provenance.js';

/** What a page says of its own making, beside what the result says. */
export interface About {
  /** When the result was written. */
  readonly date?: Date | undefined;
  /** What was typed. */
  readonly command?: string | undefined;
  /** Sizes of files in bytes, by their paths. */
  readonly sizes?: ReadonlyMap<string, number>;
}

/** A model, and where it came from. */
export interface NamedSource extends Source {
  readonly label: string;
  /** Paths of all its files, where `file` is what they are known by together. */
  readonly files?: readonly string[] | undefined;
}

/** All results that a page can be about and that know their models. */
type Sourced = SimilarityResult | SimilarityMatrix | CrossSimilarity | Explanation | BlocksResult;

/** The models of a result with their sources. */
export function sourcesOf(result: Sourced): NamedSource[] {
  switch (result.kind) {
    case 'pair':
    case 'forms':
    case 'exchange':
      return named([result.a, result.b], result.sources);
    case 'matrix':
      return named(result.labels, result.sources);
    case 'cross':
      return [...named(result.rows, result.rowSources), ...named(result.columns, result.columnSources)];
    case 'blocks':
      return [result.a, result.b].map(({ path, files, sha256 }) => ({ label: path, file: path, files, sha256 }));
  }
}

function named(labels: readonly string[], sources: readonly Source[] | undefined): NamedSource[] {
  return (sources ?? []).map((source, i) => ({ ...source, label: labels[i] }));
}

/** The sizes of files as they are now; those that are no files here have none. */
export async function sizesOf(sources: readonly NamedSource[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { file, files } of sources) {
    if (file === undefined || sizes.has(file)) continue;
    const found = await Promise.all((files ?? [file]).map((path) => stat(path).catch(() => undefined)));
    if (found.every((one) => one?.isFile()))
      sizes.set(
        file,
        found.reduce((bytes, one) => bytes + one!.size, 0),
      );
  }
  return sizes;
}

/** What a page that is written now says of its own making. */
export async function aboutNow(result: Sourced, command: string | undefined): Promise<About> {
  return { date: new Date(), command, sizes: await sizesOf(sourcesOf(result)) };
}

/** How a result was obtained, and folded below it when, by what and from which files. */
export function obtained(
  info: Exclude<Sourced, BlocksResult>,
  rows: readonly (readonly [string, string])[],
  about: About,
): string {
  const digest = info.inputDigest;
  const law: [string, string][] = digest === undefined ? [] : [['SHA-256 of the law', digest]];
  const table = definitionTable([...provenance(info), ...rows, ['tensim', version]]);
  return table + folded(sourcesOf(info), about, law);
}

/** When a result was written, what was typed and from which files, folded; nothing where nothing is known. */
export function folded(
  sources: readonly NamedSource[],
  { date, command, sizes = new Map() }: About,
  rows: readonly [string, string][] = [],
): string {
  const files = filesTable(sources, sizes);
  const more: [string, string][] = [
    ...(date === undefined ? [] : [['written', date.toISOString().replace(/\.\d+Z$/, 'Z')] as [string, string]]),
    ...(command === undefined ? [] : [['command', command] as [string, string]]),
    ...rows,
  ];
  if (more.length === 0 && files === '') return '';
  const title = files === '' ? 'Command' : 'Command and files';
  return `<details class="about"><summary>${title}</summary>${definitionTable(more)}${files}</details>`;
}

function filesTable(sources: readonly NamedSource[], sizes: ReadonlyMap<string, number>): string {
  const known = sources.filter(({ file }) => file !== undefined);
  if (known.length === 0) return '';
  const lines = known.map(({ label, file = '', revision, key, sha256 = '' }) => {
    const bytes = sizes.get(file);
    const place = [
      file,
      ...(revision === undefined ? [] : [`commit ${revision}`]),
      ...(key === undefined ? [] : [key]),
    ];
    const cells = [place.join(', '), bytes === undefined ? '' : `${bytesText(bytes)} (${bytes} bytes)`, sha256];
    return `<tr><th scope="row">${escapeMarkup(label)}</th>${cells.map((cell) => `<td>${escapeMarkup(cell)}</td>`).join('')}</tr>`;
  });
  const head = ['model', 'file', 'size', 'SHA-256'].map((name) => `<th scope="col">${name}</th>`).join('');
  return `<div class="scroll" tabindex="0" role="region" aria-label="Files"><table class="outputs files"><thead><tr>${head}</tr></thead><tbody>${lines.join('\n')}</tbody></table></div>`;
}

/**
 * How the command begins that explains how two models of a result differ; nothing where it compares by another measure
 * or under a law that a command cannot name.
 */
export function explaining({ measure, input }: ResultInfo): string | undefined {
  if (measure !== 'gaussian' || input === null) return undefined;
  if (input === 'standard') return 'tensim explain';
  return input === 'onehot' || /^sigma=[\d.e+-]+$/.test(input) ? `tensim explain --input ${input}` : undefined;
}
