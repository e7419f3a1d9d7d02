import { stat } from 'node:fs/promises';
import { TensimError } from '../errors.js';
import { isChange } from './changed.js';
import { type Stamp, stampOf } from './stamp.js';
import { readStampedText, readText } from './text_file.js';

interface Companion {
  readonly path: string;
  /** Undefined where there was nothing. */
  readonly stamp: Stamp | undefined;
  /** Undefined where it could not be read. */
  readonly text: string | undefined;
  readonly limit: number;
}

/**
 * The small files that say how a checkpoint is read (config.json, model.json), those that are not there among them:
 * they and the weights are one thing, and half of the one with half of another is nothing at all.
 */
export class Companions {
  readonly #companions: Companion[] = [];

  /** @throws TensimError as `readText` */
  async read(path: string, limit: number): Promise<string> {
    try {
      const { text, stamp } = await readStampedText(path, limit);
      this.#companions.push({ path, stamp, text, limit });
      return text;
    } catch (error) {
      this.#companions.push({
        path,
        stamp: isMissing(error) ? undefined : await stampAt(path),
        text: undefined,
        limit,
      });
      throw error;
    }
  }

  /** The first that is not what it was when it was read; undefined if all are. */
  async changed(): Promise<string | undefined> {
    for (const { path, stamp, text, limit } of this.#companions) {
      // Written to so lately that another write could leave no trace in the stamp: then by what it says.
      if (stamp?.settled === false && (await readText(path, limit).catch(unlessChanged)) !== text) return path;
    }
    for (const { path, stamp } of this.#companions) if ((await stampAt(path))?.text !== stamp?.text) return path;
    return undefined;
  }
}

async function stampAt(path: string): Promise<Stamp | undefined> {
  return stat(path, { bigint: true }).then(
    (stats) => stampOf(stats),
    () => undefined,
  );
}

/** Not one that may not be read, which is there all the same. */
function isMissing(error: unknown): boolean {
  return error instanceof TensimError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

function unlessChanged(error: unknown): undefined {
  if (isChange(error)) throw error;
}
