import { TensimError } from '../../errors.js';
import { isAsStamped } from '../../formats/stamp.js';
import { labelsOf } from '../../model/labels.js';
import type { Model } from '../../model/model.js';
import type { LoadOptions } from '../../model/reading/load.js';
import { firstVisit, type Outline, visitAgain } from '../../model/reading/outline.js';
import { valueText } from '../../words/quoting.js';
import { contentIdentity, contentSketch } from './content.js';
import { KeptModels } from './kept.js';
import type { Visit, Visits } from './visits.js';

/**
 * A model that takes part in a comparison: in memory, or in a file that is read again whenever its weights are needed
 * and not kept.
 */
export interface Member {
  readonly outline: Outline;
  load(): Promise<Model>;
  /** Lets go of weights that were read with the outline, if nobody has asked for them yet: `load` reads them again. */
  release(): void;
  /**
   * A digest that only equal models share. Of a file it is known; the weights of a model in memory are hashed when
   * first asked.
   */
  identity(): Promise<string>;
  /** The same without any work; undefined if it takes some. */
  readonly known: string | undefined;
  /**
   * Text that is the same for equal models and nearly always another for others, found quickly.
   * @param tensors of only the first so many: it begins as the whole does.
   */
  sketch(tensors?: number): string;
  /** Of a model in a file: its path, and how it is read. */
  readonly file?: Pick<LoadOptions, 'model' | 'config' | 'key' | 'ignore' | 'unknown'> & { readonly path: string };
}

/** How members in files are read. */
export type MemberOptions = Pick<LoadOptions, 'model' | 'config' | 'key' | 'ignore' | 'unknown' | 'signal'> & {
  readonly onOpen?: ((done: number, total: number) => void) | undefined;
  /** Takes the weights that are read when the files are opened, as far as it has room. */
  readonly kept?: KeptModels | undefined;
  /** Visits of earlier comparisons by the same options. */
  readonly visits?: Visits | undefined;
};

/**
 * Members of models and paths. Files are opened once, to learn what they hold, and closed again; the labels of paths
 * are told apart as far as needed.
 * @throws TensimError `INVALID_ARGUMENT` for what is neither model nor path; as `firstVisit`.
 */
export async function openMembers(
  models: readonly (Model | string)[],
  { onOpen, kept = new KeptModels(), visits, ...options }: MemberOptions = {},
): Promise<Member[]> {
  const paths = models.filter((model) => typeof model === 'string');
  const labels = new Map(labelsOf(paths).map((label, i) => [paths[i], label]));
  const members = new Map<Model | string, Member>();
  for (const [index, model] of models.entries()) {
    if (typeof model === 'string') onOpen?.(index, models.length);
    if (members.has(model)) continue;
    const inFile = typeof model === 'string';
    const read = { ...options, label: labels.get(model as string) };
    const member = inFile ? await fileMember(model, read, kept, visits) : memberOf(model);
    members.set(model, member);
  }
  if (paths.length > 0) onOpen?.(models.length, models.length);
  return models.map((model) => members.get(model)!);
}

/** @throws TensimError `INVALID_ARGUMENT` for what is no model, such as a path. */
export function checkModel(model: unknown): void {
  if (typeof model === 'object' && model !== null && 'layers' in model && 'parameters' in model) return;
  throw new TensimError('INVALID_ARGUMENT', `${valueText(model)} is not a model`, {
    hint: 'Use loadModel for a file and createModel for arrays',
  });
}

/**
 * A model in memory.
 * @throws TensimError as `checkModel`.
 */
export function memberOf(model: Model): Member {
  checkModel(model);
  let identity: Promise<string> | undefined;
  return {
    outline: model,
    load: async () => model,
    release: () => {},
    identity: () => {
      identity ??= contentIdentity(model);
      return identity;
    },
    known: undefined,
    sketch: (tensors) => contentSketch(model, tensors),
  };
}

/**
 * @param kept takes the weights, if it has room for them until they are prepared.
 * @param visits tells what is known of the file already, and takes what is found.
 * @throws TensimError (rejects) as `firstVisit`.
 */
export async function fileMember(
  path: string,
  options: LoadOptions,
  kept: KeptModels,
  visits?: Visits,
): Promise<Member> {
  const visit = (await visits?.at(path)) ?? (await firstTime(path, options, kept, visits));
  const { files, stamp } = visit;
  // The label follows from the others that are compared.
  const outline = options.label === undefined ? visit.outline : { ...visit.outline, label: options.label };
  return {
    outline,
    async load() {
      options.signal?.throwIfAborted();
      const own = kept.take(path);
      if (own !== undefined && (await isAsStamped(files, stamp))) return own;
      const model = await visitAgain(path, options, visit);
      if (model !== undefined) return model;
      throw new TensimError('FILE_CHANGED', 'the file has changed while it was compared', {
        file: path,
        hint: 'Wait until it is written, and compare again',
      });
    },
    release: () => {
      kept.take(path);
    },
    identity: async () => outline.identity,
    known: outline.identity,
    file: {
      path,
      model: options.model,
      config: options.config,
      key: options.key,
      ignore: options.ignore,
      unknown: options.unknown,
    },
    sketch: () => outline.identity,
  };
}

async function firstTime(path: string, options: LoadOptions, kept: KeptModels, visits?: Visits): Promise<Visit> {
  const { model, ...visit } = await firstVisit(path, options, (bytes) => kept.claim(bytes));
  if (model !== undefined) kept.keep(path, model);
  visits?.keep(path, visit);
  return visit;
}
