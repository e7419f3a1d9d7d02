import { TensimError } from '../../errors.js';
import { fileChanged, isChange, onceMore } from '../../formats/changed.js';
import { type StampedCheckpoint, whileOpen } from '../../formats/checkpoint.js';
import { Companions } from '../../formats/companions.js';
import { NoModelError } from '../../formats/no_model.js';
import { decoded } from '../../formats/quantised/decode.js';
import { oneLine } from '../../words/quoting.js';
import { warn } from '../../words/warning.js';
import type { Provenance } from '../model.js';
import { quantisationTold } from './quantisation.js';
import { findSource, type ModelSource, type ReadingOptions, SeveralCheckpoints } from './source.js';
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
export async function withModelFile<Result>(
  path: string,
  options: ReadingOptions,
  use: (file: ModelFile) => Promise<Result>,
): Promise<Result> {
  try {
    return await withOneModel(path, options, use);
  } catch (error) {
    const only = error instanceof SeveralCheckpoints ? await onlyModelOf(error.paths, options) : undefined;
    if (only === undefined) throw error;
    return withOneModel(only, options, (file) => use({ ...file, path }));
  }
}

/** Of the checkpoints of a folder the one that is a model; the others are named by a warning. Undefined for several. */
async function onlyModelOf(paths: readonly string[], options: ReadingOptions): Promise<string | undefined> {
  const models: string[] = [];
  const skipped: string[] = [];
  for (const path of paths) {
    const why = await whyNoModel(path, options);
    if (why === undefined) models.push(path);
    else skipped.push(`${oneLine(path)} is passed over as no model: ${why}`);
    if (models.length > 1) return undefined;
  }
  if (models.length === 1) for (const text of skipped) warn(text);
  return models[0];
}

/** Why a sound file is no model that is known. What else is wrong with a file, loading it will say. */
export async function whyNoModel(path: string, options: ReadingOptions): Promise<string | undefined> {
  try {
    return await withOneModel(path, options, async () => undefined);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof NoModelError)) return undefined;
    return error.code === 'UNSUPPORTED_LAYER' ? 'of no known family' : 'it holds no state dict';
  }
}

function withOneModel<Result>(
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
