import { npyHeader } from '../../formats/numpy/npy_header.js';
import { jsonText } from '../../words/quoting.js';
import { csvLine } from '../csv_line.js';

/** What a chart shows, as numbers. */
export interface Seen {
  /** For the name of a file. */
  readonly name: string;
  /** What it is, for people. */
  readonly title: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** What the numbers are. Default `similarity`. */
  readonly quantity?: string;
  /** Null where undefined. */
  value(row: number, column: number): number | null;
  /** How far values can be from those of the result. */
  readonly error: number;
}

/** Similarities in the formats of reports, of what is seen and no more. */
export const FORMATS: Readonly<Record<'csv' | 'npy' | 'json', (seen: Seen) => BlobPart[]>> = {
  csv: (seen) => {
    const cells = doublesOf(seen);
    return [csvLine(['model', ...seen.columns]), ...seen.rows.map((row, i) => csvLine([row, ...cells[i]]))];
  },
  npy: (seen) => [npyHeader('<f8', [seen.rows.length, seen.columns.length]), ...doublesOf(seen)],
  json: (seen) => {
    const { title, rows, columns, error, quantity = 'similarity' } = seen;
    const values = rows.map((_, i) => columns.map((__, j) => seen.value(i, j)));
    return [`${jsonText({ title, rows, columns, [quantity]: values, error })}\n`];
  },
};

function doublesOf({ rows, columns, value }: Seen): Float64Array<ArrayBuffer>[] {
  return rows.map((_, i) => Float64Array.from(columns, (__, j) => value(i, j) ?? Number.NaN));
}

/** Hands a file to the browser, which puts it where downloads go. */
export function save(name: string, parts: BlobPart[], type = 'application/octet-stream'): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}
