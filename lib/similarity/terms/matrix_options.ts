import { TensimError } from '../../errors.js';
import { parseBytes } from '../../words/bytes.js';
import { valueText } from '../../words/quoting.js';
import { KNOWN, type Settings, settle } from './options.js';
import type { MatrixOptions } from './types.js';

/** The options of a matrix with every default filled in. */
export interface MatrixSettings extends Settings {
  /** Which models, and which pairs of them. */
  readonly choice: Pick<MatrixOptions, 'rows' | 'columns' | 'every' | 'steps'> & { readonly window: number | null };
  readonly load: NonNullable<MatrixOptions['load']>;
  /** In bytes; infinite where there is none. */
  readonly memoryLimit: number;
  /** Bytes that were free at the beginning, before anything was read. */
  readonly freeMemory: number;
  readonly state: string | undefined;
  readonly onTile: MatrixOptions['onTile'];
}

const MATRIX_KNOWN = [
  ...KNOWN,
  ...['rows', 'columns', 'reference', 'window', 'consecutive', 'every', 'steps'],
  ...['load', 'memoryLimit', 'state', 'onTile'],
];

/**
 * Checks options and fills in the defaults.
 * @throws TensimError `INVALID_ARGUMENT` as `settle`, and for options that exclude each other.
 */
export function settleMatrix(options: MatrixOptions): MatrixSettings {
  const { rows, columns, reference, window, consecutive, every, steps, load, memoryLimit, state, onTile, ...others } =
    options;
  const settings = settle(others, MATRIX_KNOWN);
  requireAtMostOne({ reference, columns });
  const cross = { rows, columns: reference === undefined ? columns : [reference] };
  requireAtMostOne({
    consecutive: consecutive || undefined,
    window,
    'rows, columns or reference': cross.rows ?? cross.columns,
  });
  for (const [name, list] of Object.entries({ ...cross, steps })) {
    if (list !== undefined && !(Array.isArray(list) && list.length > 0))
      throw bad(name, list, 'a list that is not empty');
  }
  const count = (name: string, value: number | undefined) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      throw bad(name, value, 'a whole number from 1');
  };
  count('window', window);
  count('every', every);
  if (state !== undefined && (typeof state !== 'string' || state === ''))
    throw bad('state', state, 'the path of a file');
  return {
    ...settings,
    choice: { ...cross, every, steps, window: consecutive ? 1 : (window ?? null) },
    load: load ?? {},
    memoryLimit: bytesOf(memoryLimit),
    freeMemory: process.availableMemory(),
    state,
    onTile,
  };
}

function bytesOf(limit: MatrixOptions['memoryLimit']): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  const bytes = typeof limit === 'string' ? parseBytes(limit) : limit;
  if (bytes !== undefined && bytes > 0) return bytes;
  throw bad('memoryLimit', limit, 'a size such as "128MiB" or a positive number of bytes');
}

function requireAtMostOne(options: Readonly<Record<string, unknown>>): void {
  const [first, second] = Object.keys(options).filter((name) => options[name] !== undefined);
  if (second === undefined) return;
  throw new TensimError('INVALID_ARGUMENT', `the options "${first}" and "${second}" exclude each other`, {
    hint: 'Both say which pairs are compared',
  });
}

function bad(name: string, value: unknown, what: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', `the option "${name}" is ${valueText(value)}`, {
    hint: `It must be ${what}`,
  });
}
