import { TensimError } from '../../errors.js';
import { labelsOf } from '../../model/labels.js';
import type { Model } from '../../model/model.js';
import { type LoadOptions, loadModel } from '../../model/reading/load.js';
import { loadOutline, type Outline } from '../../model/reading/outline.js';
import { contentIdentity, contentSketch } from './content.js';

/** A model that takes part in a comparison: in memory, or in a file that is read whenever its weights are needed. */
export interface Member {
  readonly outline: Outline;
  load(): Promise<Model>;
  /** A digest that only equal models share. Of a file it is known; the weights of a model in memory are hashed when first asked. */
  identity(): Promise<string>;
  /** The same without any work; undefined if it takes some. */
  readonly known: string | undefined;
  /** Text that is the same for equal models and nearly always another for others, found quickly. */
  sketch(): string;
}

/** How members in files are read. */
export type MemberOptions = Pick<LoadOptions, 'model' | 'config' | 'signal'> & {
  readonly onOpen?: ((done: number, total: number) => void) | undefined;
};

/**
 * Members of models and paths. Files are opened once, to learn what they hold, and closed again; the labels of paths are told apart as
 * far as needed.
 * @throws TensimError `INVALID_ARGUMENT` for what is neither model nor path; as `loadOutline`.
 */
export async function openMembers(
  models: readonly (Model | string)[],
  { onOpen, ...options }: MemberOptions = {},
): Promise<Member[]> {
  const paths = models.filter((model) => typeof model === 'string');
  const labels = new Map(labelsOf(paths).map((label, i) => [paths[i], label]));
  const members = new Map<Model | string, Member>();
  for (const [index, model] of models.entries()) {
    if (typeof model === 'string') onOpen?.(index, models.length);
    if (members.has(model)) continue;
    const inFile = typeof model === 'string';
    const member = inFile ? await fileMember(model, { ...options, label: labels.get(model) }) : memberOf(model);
    members.set(model, member);
  }
  if (paths.length > 0) onOpen?.(models.length, models.length);
  return models.map((model) => members.get(model)!);
}

/** @throws TensimError `INVALID_ARGUMENT` for what is no model, such as a path. */
export function checkModel(model: unknown): void {
  if (typeof model === 'object' && model !== null && 'layers' in model && 'parameters' in model) return;
  throw new TensimError('INVALID_ARGUMENT', `${JSON.stringify(model) ?? String(model)} is not a model`, {
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
    identity: () => {
      identity ??= contentIdentity(model);
      return identity;
    },
    known: undefined,
    sketch: () => contentSketch(model),
  };
}

async function fileMember(path: string, options: LoadOptions): Promise<Member> {
  const outline = await loadOutline(path, options);
  return {
    outline,
    async load() {
      const model = await loadModel(path, options);
      if (model.provenance.sha256 === outline.provenance.sha256) return model;
      throw new TensimError('INVALID_FILE', 'the file has changed while it was compared', {
        file: path,
        hint: 'Wait until it is written, and compare again',
      });
    },
    identity: async () => outline.identity,
    known: outline.identity,
    sketch: () => outline.identity,
  };
}
