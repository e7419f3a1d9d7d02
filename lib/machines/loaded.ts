import type { Backend } from '../backend/backend.js';
import type { Faults } from '../backend/task.js';

/** What is known about a backend for people: instruction set, threads, versions. */
export type Details = Readonly<Record<string, string | number>>;

/** A backend, or in one line why there is none. */
export type Loaded<Own extends Backend = Backend> =
  | {
      readonly backend: Own;
      readonly details: Details;
      /**
       * For one whose being there does not tell that it works: tries it out, once, and gives what is known then, or the
       * reason why it cannot be used. Rejects with the signal's reason alone.
       */
      readonly tryOut?: (signal?: AbortSignal) => Promise<Tried | { readonly reason: string }>;
    }
  | { readonly reason: string };

/** What is known of a backend that works, and what of it does not. */
export interface Tried {
  readonly details: Details;
  readonly faults: Faults;
}
