import type { TensorEntry } from './entry.js';
import type { Graph } from './onnx/graph.js';
import type { SourceFile } from './source_file.js';

/** How a checkpoint is opened. */
export interface OpenOptions {
  /**
   * Where the state dict is in a PyTorch checkpoint that holds several things: names, and numbers for the places of
   * lists, with points between, as `ema.shadow_params`; `.` is the top. Default: the only place that could be one.
   * Files of other formats have no such places, and are read as without it.
   */
  readonly key?: string | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What a format makes of a path: open files and a listing of the tensors in them, checked against the files' true
 * sizes.
 */
export interface OpenedFiles {
  readonly sources: readonly SourceFile[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Where they were found in a file that holds other things too, as a key says it. */
  readonly place?: string;
  /** The network, in a format that tells it. */
  readonly graph?: Graph;
}
