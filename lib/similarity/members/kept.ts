import type { Model } from '../../model/model.js';
import type { MatrixSettings } from '../terms/matrix_options.js';

/**
 * The part of the free memory that weights may take between the opening of their files, which reads all of them, and
 * their preparation. What is prepared usually takes as much again, or twice that, and takes their place one by one.
 */
const FREE_PART = 1 / 4;
/** The part of a limit on the memory: little beside what is left there to what no account sees. */
const LIMIT_PART = 1 / 16;
/**
 * Where only the outputs of models are kept, and their weights were never together in memory, as much as one batch of
 * them may take.
 */
const MOST_BEHAVING = 256 * 2 ** 20;

/** Bytes that weights may take until they are prepared. */
export function roomToKeep({ measure, memoryLimit, freeMemory }: MatrixSettings): number {
  const room = Math.min(FREE_PART * freeMemory, LIMIT_PART * memoryLimit);
  return measure === 'behavioural' ? Math.min(MOST_BEHAVING, room) : room;
}

/**
 * Models whose weights were read when their files were opened, until they are asked for, once: so that no file is read
 * twice that need not be.
 */
export class KeptModels {
  #room: number;
  readonly #models = new Map<string, Model>();

  /** @param room bytes that they may take together. */
  constructor(room = 0) {
    this.#room = room;
  }

  /** Takes room for a model of so many bytes; false if there is too little. */
  claim(bytes: number): boolean {
    if (bytes > this.#room) return false;
    this.#room -= bytes;
    return true;
  }

  keep(path: string, model: Model): void {
    this.#models.set(path, model);
  }

  take(path: string): Model | undefined {
    const model = this.#models.get(path);
    this.#models.delete(path);
    return model;
  }
}
