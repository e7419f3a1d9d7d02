import { TensimError } from '../../errors.js';
import { fileChanged, isChange, onceMore } from '../../formats/changed.js';
import { type StampedCheckpoint, whileOpen } from '../../formats/checkpoint.js';
import { Companions } from '../../formats/companions.js';
import { decoded } from '../../formats/quantised/find.js';
import type { Provenance } from '../model.js';
import { quantisationTold } from './quantisation.js';
import { findSource, type ModelSource, type ReadingOptions } from './source.js';
import { type Recognised, understand } from './understand.js';

/** A model's file, open and understood; no weight of it is read yet. */
export interface ModelFile {
  /** As the caller gave it. */
  readonly path: string;
  readonly source: ModelSource;
  readonly checkpoint: StampedCheckpoint;
  readonly recognised: Recognised;
  /** Where in its file the caller said that it is. */
  readonly key: string | undefined;
}

/**
 * Opens a model's file for `use`, and closes it when that is done.
 * @throws TensimError as `withCheckpoint` and `understand`.
 */
export function withModelFile<Result>(
  path: string,
  options: ReadingOptions,
  use: (file: ModelFile) => Promise<Result>,
): Promise<Result> {
  return withCheckpoint(path, options, async (checkpoint, source) =>
    use({
      path,
      source,
      checkpoint,
      recognised: await understand(checkpoint, source, options.signal),
      key: options.key,
    }),
  );
}

/**
 * The same, whatever the file holds; quantised weights are decoded when they are read. What is read, of the file and of those beside it that say how, has lain there at
 * one moment; where it has not, all is done once more.
 * @throws TensimError as `findSource` and `openCheckpoint`; `FILE_CHANGED`; what `use` throws.
 */
export async function withCheckpoint<Result>(
  path: string,
  options: ReadingOptions,
  use: (checkpoint: StampedCheckpoint, source: ModelSource) => Promise<Result>,
): Promise<Result> {
  const { key, signal } = options;
  signal?.throwIfAborted();
  return onceMore(async () => {
    const companions = new Companions();
    const checkCompanions = async (cause?: unknown) => {
      const changed = await companions.changed();
      if (changed !== undefined) throw fileChanged(changed, cause);
    };
    try {
      const source = { ...(await findSource(path, options, companions)), companions };
      const result = await whileOpen(source.checkpoint, { key, signal }, async (checkpoint) =>
        use(await decoded(checkpoint, () => quantisationTold(checkpoint, source), signal), source),
      );
      await checkCompanions();
      return result;
    } catch (error) {
      if (error instanceof TensimError && !isChange(error)) await checkCompanions(error);
      throw error;
    }
  }, signal);
}

/** Where a model comes from: its file, whose bytes have this digest. */
export function provenanceOf({ path, source: { revision }, checkpoint, key }: ModelFile, sha256: string): Provenance {
  const { metadata, place } = checkpoint;
  return {
    file: path,
    ...(revision !== undefined && { revision }),
    // Only what was asked for: the one place that a file has is told by its bytes.
    ...(key !== undefined && place !== undefined && { key: place }),
    sha256,
    metadata,
  };
}
