import type { TensorEntry } from './entry.js';
import type { SourceFile } from './source_file.js';

/**
 * What a format makes of a path: open files and a listing of the tensors in them, checked against the files' true
 * sizes.
 */
export interface OpenedFiles {
  readonly sources: readonly SourceFile[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}
