import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { TensimError } from '../errors.js';
import { isHubAddress } from '../hub/address.js';
import type { ReadingOptions } from '../model/reading/source.js';
import { hasOrder } from '../report/order.js';
import { phaseWords } from '../report/phases.js';
import { onset } from '../similarity/series/onset.js';
import { settleMatrix } from '../similarity/terms/matrix_options.js';
import type { MatrixOptions, SimilarityMatrix } from '../similarity/terms/types.js';
import { valueText } from '../words/quoting.js';
import type { LiveFeed } from './feed.js';
import { type Look, WatchedFolder } from './folder.js';
import { notesOn } from './notes.js';
import { Rounds } from './rounds.js';
import type { WatchEvent, WatchedOnset, WatchOptions } from './terms.js';
import { reasonOf } from './whole.js';

/** So many times the time in which files settle, and one that is incomplete is told to be so. */
const PATIENCE = 4;
const PATTERN = /[*?[{(]/;

/**
 * Follows a folder of checkpoints while a training writes to it: yields a matrix of all models that are whole whenever
 * there are others than before, for which only the new pairs are computed, and the onset as soon as there is one. Files
 * that are being written are left until they are whole; one that is replaced is compared anew, one that is deleted
 * drops out.
 *
 *     for await (const event of watch('run/', { signal })) {
 *       if (event.kind === 'onset') console.log(`something happens at ${event.to}`);
 *     }
 *
 * Nothing is looked at while the body of the loop runs; what happens meanwhile is found at the next turn. The loop ends
 * where `once`, `until` or `idle` say so, where it is left, and by the signal, whose reason it then throws. Sampled
 * matrices and those of the measure `behavioural` are computed anew every time.
 *
 * @param folder a folder, a pattern, or several of them. It may be empty.
 * @throws TensimError (at the first turn, or where it comes up) `FILE_NOT_FOUND` for a folder that is not there;
 * `INVALID_ARGUMENT` for options; as `similarityMatrix` for faults that no other file mends.
 */
export function watch(
  folder: string | readonly string[],
  options: WatchOptions = {},
): AsyncGenerator<WatchEvent, void, undefined> {
  return watchInto(undefined, folder, options);
}

/** The same; a feed is told everything as it comes. */
export async function* watchInto(
  feed: LiveFeed | undefined,
  folder: string | readonly string[],
  options: WatchOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  const { settle = 1, poll = 1, once = false, until, idle, ...matrix } = options;
  checkSeconds({ settle, poll, idle });
  const given = typeof folder === 'string' ? [folder] : folder;
  await checkGiven(given);
  const { load, measure, signal } = settleMatrix(matrix);
  const unknown = measure === 'weights' ? ({ unknown: 'parameters' } as const) : {};
  const reading: ReadingOptions = { ...load, ...unknown, signal };
  const files = new WatchedFolder(given, { settle: 1000 * settle, poll: 1000 * poll, reading });
  const rounds = await Rounds.begin(followed(matrix, feed), reading, feed);
  const patience = PATIENCE * 1000 * settle;
  const told = new Told(once ? 0 : patience);
  let before = NOTHING;
  let changed = performance.now();
  let since = changed;
  try {
    for (let beforehand = true; ; beforehand = false) {
      signal?.throwIfAborted();
      const look = await files.look();
      yield* told.files(look);
      feed?.notes(notesOn(look, told.failure, told.onset));
      const stamps = wholeIn(look);
      if (stamps.size === 0 && !look.busy) before = NOTHING;
      const rewritten = look.files.some(({ path, verdict }) => verdict.state === 'written' && before.stamps.has(path));
      if (!rewritten) since = performance.now();
      // What is being replaced will be there in a moment: its row stays as long.
      const patient = rewritten && performance.now() - since < patience;
      if (stamps.size > 0 && !patient && !isSame(stamps, before.stamps)) {
        changed = performance.now();
        for (const [path, stamp] of before.stamps) if (stamps.get(path) !== stamp) rounds.forget(path);
        const events = await compared(rounds, files, stamps, before, beforehand);
        told.failure = undefined;
        if (events === 'again') continue;
        for (const event of events) {
          if (event.kind === 'matrix') {
            feed?.report(event.matrix);
            feed?.progress(countText(event.matrix), 0, 0);
            before = { stamps, matrix: event.matrix };
          } else if (event.kind === 'failed') {
            told.failure = event.error;
            before = { ...before, stamps };
          }
          if (event.kind === 'matrix') yield* told.onsets(event.matrix);
          yield event;
        }
        feed?.notes(notesOn(look, told.failure, told.onset));
      }
      if (look.busy) changed = performance.now();
      else if (once) return;
      if (until !== undefined && (before.matrix?.labels.length ?? 0) >= until) return;
      if (idle !== undefined && performance.now() - changed >= 1000 * idle) return;
      await files.wait();
    }
  } finally {
    files.close();
    await rounds.close();
  }
}

/** The models that were compared last, by their paths, with what they were; and the result. */
interface Compared {
  readonly stamps: ReadonlyMap<string, string>;
  readonly matrix: SimilarityMatrix | undefined;
}

const NOTHING: Compared = { stamps: new Map(), matrix: undefined };

function followed(matrix: MatrixOptions, feed: LiveFeed | undefined): MatrixOptions {
  if (feed === undefined) return matrix;
  return {
    ...matrix,
    onProgress: (at) => {
      feed.progress(phaseWords(at.phase), at.done, at.total);
      matrix.onProgress?.(at);
    },
  };
}

async function compared(
  rounds: Rounds,
  files: WatchedFolder,
  stamps: ReadonlyMap<string, string>,
  before: Compared,
  beforehand: boolean,
): Promise<readonly WatchEvent[] | 'again'> {
  const outcome = await rounds.run([...stamps.keys()]);
  switch (outcome.kind) {
    case 'refused':
      files.refuse(outcome.file, outcome.verdict);
      return 'again';
    case 'failed': {
      // Where the others were compared before, it is the new one that does not go with them.
      const [one, ...more] = [...stamps.keys()].filter((path) => before.stamps.get(path) !== stamps.get(path));
      if (one === undefined || more.length > 0 || before.matrix === undefined) return [outcome];
      files.refuse(one, { state: 'refused', why: reasonOf(outcome.error) });
      return 'again';
    }
    case 'done': {
      const { matrix } = outcome;
      // By what was read: a file may have been replaced between the look and the reading.
      const known = new Map((before.matrix?.sources ?? []).map(({ file, sha256 }) => [file, sha256]));
      const sources = matrix.sources ?? [];
      const added = [...sources.keys()].filter((i) => known.get(sources[i].file) !== sources[i].sha256);
      const removed = [...before.stamps.keys()].filter((path) => !stamps.has(path));
      return [{ kind: 'matrix', matrix, added, removed, beforehand }];
    }
  }
}

function wholeIn({ files }: Look): Map<string, string> {
  return new Map(files.filter(({ verdict }) => verdict.state === 'whole').map(({ path, stamp }) => [path, stamp]));
}

function isSame(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([path, stamp]) => other.get(path) === stamp);
}

/** What was told, so that it is told once. */
class Told {
  failure: TensimError | undefined;
  onset: WatchedOnset | undefined;
  readonly #patience: number;
  readonly #files = new Map<string, string>();
  readonly #onsets = new Set<string>();

  constructor(patience: number) {
    this.#patience = patience;
  }

  *files({ files }: Look): Generator<WatchEvent> {
    for (const { path, verdict, stamp, steady } of files) {
      if (verdict.state === 'whole' || verdict.state === 'written') {
        this.#files.delete(path);
        continue;
      }
      // Who writes may have paused.
      if (verdict.state === 'incomplete' && steady < this.#patience) continue;
      const { state, why } = verdict;
      const text = [stamp, state, why].join('\n');
      if (this.#files.get(path) === text) continue;
      this.#files.set(path, text);
      yield { kind: 'file', file: path, state, why };
    }
  }

  *onsets(matrix: SimilarityMatrix): Generator<WatchEvent> {
    const found = hasOrder(matrix) ? onset(matrix) : null;
    this.onset = undefined;
    if (found === null) return;
    const [from, to] = [matrix.labels[found.from], matrix.labels[found.to]];
    this.onset = { kind: 'onset', onset: found, from, to };
    const text = JSON.stringify([from, to]);
    if (this.#onsets.has(text)) return;
    this.#onsets.add(text);
    yield this.onset;
  }
}

function countText({ labels }: SimilarityMatrix): string {
  return `${labels.length} ${labels.length === 1 ? 'model' : 'models'}, up to ${labels.at(-1)}`;
}

async function checkGiven(given: readonly string[]): Promise<void> {
  if (given.length === 0) throw new TensimError('INVALID_ARGUMENT', 'there is no folder to watch');
  for (const one of given) {
    if (isHubAddress(one)) {
      throw new TensimError('INVALID_ARGUMENT', `${one} is no folder of this machine`, {
        hint: 'A folder here is watched; tensim matrix compares what is on the Hub',
      });
    }
    if (PATTERN.test(one) || (await stat(resolve(one)).catch(() => undefined)) !== undefined) continue;
    throw new TensimError('FILE_NOT_FOUND', 'there is no such folder to watch', {
      file: one,
      hint: 'Make it first: it may be empty. Or give a quoted pattern such as "runs/*.safetensors"',
    });
  }
}

function checkSeconds(options: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !(value >= 0 && value < 1e6))
      throw new TensimError('INVALID_ARGUMENT', `the option "${name}" is ${valueText(value)}`, {
        hint: 'It must be a number of seconds',
      });
}
