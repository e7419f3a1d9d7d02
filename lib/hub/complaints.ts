import { TensimError } from '../errors.js';
import { addressText, type HubAddress } from './address.js';
import type { Token } from './settings.js';

/** Errors that came of a Hub which gave no answer, and in which words: another time it may. */
const UNANSWERED = new WeakMap<Error, string>();

/** Why the Hub gave no answer; undefined for an error of another kind, which it would be wrong to pass over. */
export function whyUnanswered(error: unknown): string | undefined {
  return error instanceof Error ? UNANSWERED.get(error) : undefined;
}

/** What can be wrong with the answers of the Hub about one address, in words of our own. */
export class Complaints {
  readonly #address: HubAddress;
  readonly #token: Token | undefined;

  constructor(address: HubAddress, token: Token | undefined) {
    this.#address = address;
    this.#token = token;
  }

  /** There is no answer; the cache may know. */
  unanswered(problem: string, hint = 'Check the network, and HF_ENDPOINT if it is set'): TensimError {
    const error = this.#error('FILE_NOT_FOUND', problem, hint);
    UNANSWERED.set(error, problem);
    return error;
  }

  /** There is an answer, and it is a status of an error. */
  refused(status: number): TensimError {
    if (status === 401 || status === 403)
      return this.#error(
        'FILE_NOT_FOUND',
        `the Hub refuses access (status ${status}), or there is no such repository`,
        this.#token === undefined
          ? 'If it is private or gated, set HF_TOKEN to a token, or log in with "hf auth login"'
          : `The token of ${this.#token.from} may lack the right to read it`,
      );
    if (status === 404)
      return this.#error(
        'FILE_NOT_FOUND',
        'the Hub has no such repository, revision or folder',
        'Check owner, name, revision and path',
      );
    const problem = `the Hub answered with status ${status}`;
    const busy = status === 408 || status === 429 || status >= 500;
    return busy
      ? this.unanswered(problem, 'Try again later')
      : this.#error('FILE_NOT_FOUND', problem, 'Try again later');
  }

  /** The answer is none that the Hub gives. */
  absurd(problem: string): TensimError {
    return this.#error(
      'INVALID_FILE',
      problem,
      'Check HF_ENDPOINT if it is set: another server may answer in its place',
    );
  }

  #error(code: 'FILE_NOT_FOUND' | 'INVALID_FILE', problem: string, hint: string): TensimError {
    return new TensimError(code, problem, { file: addressText(this.#address), hint });
  }
}
