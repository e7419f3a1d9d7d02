import type { Writable } from 'node:stream';
import { composed, oneLine } from '../words/quoting.js';

/**
 * The world of a command: where it writes, and how it is stopped. Tests give their own; bin.ts gives the process's.
 * Commands write by `print` and `say` alone, so that nothing from outside reaches a terminal as it is.
 */
export interface Io {
  /** Results, and nothing else. */
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** Errors, notes and progress. */
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

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
  stderr.write(composed(text));
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
