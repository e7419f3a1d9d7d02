import type { Writable } from 'node:stream';
import { composed, oneLine } from '../words/quoting.js';
import { wrapped } from '../words/wrap.js';

/**
 * The world of a command: where it writes, and how it is stopped. Tests give their own; bin.ts gives the process's.
 * Commands write by `print` and `say` alone, so that nothing from outside reaches a terminal as it is.
 */
export interface Io {
  /** Results, and nothing else. */
  readonly stdout: Outlet;
  /** Errors, notes and progress. */
  readonly stderr: Outlet;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** What was typed, as a shell takes it; reports say so. */
  readonly command?: string | undefined;
  /** The same word by word, without the name of the program. */
  readonly words?: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a configuration file is looked for; default: the working directory. */
  readonly cwd?: string;
}

/** Where text goes, and whether that is a terminal, so many columns wide. */
export type Outlet = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** The width that text is wrapped to; undefined where it goes to a file or another program, and stays as it is. */
export function widthOf({ isTTY, columns }: Outlet): number | undefined {
  return isTTY === true ? columns : undefined;
}

/** A result that is for people, as it is printed: on a terminal its prose is wrapped. */
export const fitted = ({ stdout }: Pick<Io, 'stdout'>, text: string): string => wrapped(text, widthOf(stdout));

/**
 * Writes a result in pieces, each when the one before is out; rejects if the reader has gone or the signal is aborted.
 */
export async function print({ stdout, signal }: Io, pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      stdout.write(composed(piece), (error) => {
        signal.removeEventListener('abort', stop);
        if (error) reject(error);
        else resolve();
      });
    });
  }
}

/** Says something beside the result, on stderr: a line, or lines, with the end of the last. */
export function say({ stderr }: Pick<Io, 'stderr'>, text: string): void {
  stderr.write(composed(wrapped(text, widthOf(stderr))));
}

/** Columns of text, all but the last padded, each row on a line of its own and indented by two. */
export function table(given: readonly (readonly string[])[]): string {
  const rows = given.map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map(
      (row) =>
        `  ${row
          .map((cell, column) => cell.padEnd(widths[column]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
