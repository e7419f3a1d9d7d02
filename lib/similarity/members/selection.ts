import { TensimError } from '../../errors.js';
import { labelOf } from '../../model/labels.js';
import type { Model } from '../../model/model.js';
import { commonKey, type StatedSteps, statedSteps } from '../../model/reading/order.js';
import { stepsIn } from '../../model/reading/paths.js';
import { parseDecimal } from '../../words/names.js';
import type { MatrixSettings } from '../terms/matrix_options.js';
import type { ModelChoice } from '../terms/types.js';
import { type Member, type MemberOptions, openMembers } from './members.js';
import { checkRoom } from './room.js';

type ModelOrPath = Model | string;

/** The models that are compared: each other, or rows with columns. */
export interface Selection {
  readonly rows: readonly Member[];
  /** The same array as `rows` where models are compared with each other. */
  readonly columns: readonly Member[];
}

/** Models as they were given, chosen and not opened yet. */
export interface Chosen {
  readonly rows: readonly ModelOrPath[];
  /** The same array as `rows` where models are compared with each other. */
  readonly columns: readonly ModelOrPath[];
}

/**
 * Chooses models as `every`, `steps`, `rows` and `columns` say.
 * @throws TensimError `INVALID_ARGUMENT` for a choice that is not there or leaves none.
 */
export async function choose(
  models: readonly ModelOrPath[],
  { rows, columns, every = 1, steps }: MatrixSettings['choice'],
  options: MemberOptions,
): Promise<Chosen> {
  const taken = (await atSteps(models, steps, options)).filter((_, i) => i % every === 0);
  if (taken.length === 0) {
    throw new TensimError('INVALID_ARGUMENT', 'none of the models is at one of the steps', {
      hint: 'The steps are those of the metadata ("step", "global_step", …), or the last numbers in the labels',
    });
  }
  const list = (choice: readonly ModelChoice[] | undefined) => choice?.map((one) => chosen(models, one)) ?? taken;
  return { rows: list(rows), columns: list(columns) };
}

/**
 * Chooses models, and opens those in files.
 * @throws TensimError as `choose`; `MEMORY_LIMIT` for more than there is memory for; as `openMembers`.
 */
export async function select(
  models: readonly ModelOrPath[],
  choice: MatrixSettings['choice'],
  options: MemberOptions,
): Promise<Selection> {
  const { rows, columns } = await choose(models, choice, options);
  // Before thousands of files are opened for nothing.
  checkRoom(rows.length, columns.length, 0);
  const square = rows === columns;
  const members = await openMembers(square ? rows : [...rows, ...columns], options);
  if (square) return { rows: members, columns: members };
  return { rows: members.slice(0, rows.length), columns: members.slice(rows.length) };
}

/** A choice by number or label is one of the list; any other text is a path. */
function chosen(models: readonly ModelOrPath[], choice: ModelChoice): ModelOrPath {
  if (typeof choice === 'string') return models.find((model) => labelled(model) === choice) ?? choice;
  if (typeof choice !== 'number') return choice;
  const model = models[choice];
  if (model !== undefined) return model;
  throw new TensimError('INVALID_ARGUMENT', `there is no model ${choice}`, {
    hint: `The list has the numbers 0 to ${models.length - 1}`,
  });
}

function labelled(model: ModelOrPath): string {
  return typeof model === 'string' ? labelOf(model) : model.label;
}

async function atSteps(
  models: readonly ModelOrPath[],
  steps: MatrixSettings['choice']['steps'],
  options: MemberOptions,
): Promise<readonly ModelOrPath[]> {
  if (steps === undefined) return models;
  const own = await stepsOf(models, options);
  return models.filter((_, i) =>
    steps.some((wanted) =>
      typeof wanted === 'number' ? wanted === own[i] : wanted[0] <= own[i] && own[i] <= wanted[1],
    ),
  );
}

/**
 * The step that each model is of: as their metadata say under a name that all have, or the last number in the label.
 * @throws TensimError `INVALID_ARGUMENT` naming a model that does not say it.
 */
export async function stepsOf(
  models: readonly ModelOrPath[],
  { signal, key }: Pick<MemberOptions, 'signal' | 'key'>,
): Promise<number[]> {
  const stated: StatedSteps[] = [];
  for (const model of models)
    stated.push(typeof model === 'string' ? await stepsIn(model, signal, key) : statedSteps(model.provenance.metadata));
  const name = commonKey(stated);
  return models.map((model, i) => {
    const [most] = stated[i].values();
    const step = (name === undefined ? most : stated[i].get(name)) ?? numberIn(labelled(model));
    if (step === undefined) {
      throw new TensimError('INVALID_ARGUMENT', `"${labelled(model)}" does not say which step it is of`, {
        hint: 'Its metadata has no "step", "global_step", "iteration" or "epoch", and its label no number',
      });
    }
    return step;
  });
}

/** The last number in a label. */
const numberIn = (label: string) => parseDecimal(/\d+(?=\D*$)/.exec(label)?.[0]);
