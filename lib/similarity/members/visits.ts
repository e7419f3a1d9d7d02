import { isAsStamped } from '../../formats/stamp.js';
import type { FirstVisit } from '../../model/reading/outline.js';

/** What was found in the file of a model, without its weights. */
export type Visit = Omit<FirstVisit, 'model'>;

/**
 * What was found in files, for whoever compares the same again: of a file that is as it was no byte is read to know
 * what it holds. Only its own files are looked at: whoever keeps visits forgets one where a file beside it changes that
 * says how it is read.
 */
export class Visits {
  readonly #visits = new Map<string, Visit>();

  /** The last visit to a path, if its files are as they were. */
  async at(path: string): Promise<Visit | undefined> {
    const visit = this.#visits.get(path);
    if (visit?.stamp.settled && (await isAsStamped(visit.files, visit.stamp))) return visit;
    this.#visits.delete(path);
    return undefined;
  }

  keep(path: string, visit: Visit): void {
    this.#visits.set(path, visit);
  }

  forget(path: string): void {
    this.#visits.delete(path);
  }
}
