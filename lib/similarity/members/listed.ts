import { formatOf } from '../../formats/endings.js';
import type { Model } from '../../model/model.js';
import type { Order } from '../../model/reading/order.js';
import { expandInOrder } from '../../model/reading/paths.js';
import { isFolder, type ReadingOptions } from '../../model/reading/source.js';
import { oneLine } from '../../words/quoting.js';
import { warn } from '../../words/warning.js';

/** The models of a list, and what their order rests on where it was found and not given. */
export interface Listed {
  readonly models: readonly (Model | string)[];
  readonly order?: Order;
}

const PATTERN = /[*?[{(]/;

/**
 * The models that a list stands for: a folder of several and a pattern are all models in them, in the order of their
 * training or their names, in the place where they stand in the list. A folder with one model is that model. Files in
 * them that are no models are named by a warning.
 * @throws TensimError as `expandInOrder`
 */
export async function listedModels(given: readonly (Model | string)[], options: ReadingOptions): Promise<Listed> {
  const onSkipped = (path: string, why: string) => warn(`${oneLine(path)} is passed over as no model: ${why}`);
  const models: (Model | string)[] = [];
  let order: Order | undefined;
  for (const one of given) {
    const many =
      typeof one === 'string' && (await mayBeMany(one))
        ? await expandInOrder([one], { ...options, onSkipped })
        : undefined;
    if (many === undefined || many.paths.length < 2) models.push(one);
    else {
      for (const path of many.paths) models.push(path);
      if (given.length === 1) ({ order } = many);
    }
  }
  return { models, ...(order && { order }) };
}

/** Most names are told without a look at the disk: they are those of files. */
async function mayBeMany(path: string): Promise<boolean> {
  if (PATTERN.test(path)) return true;
  return formatOf(path) === undefined && (await isFolder(path));
}
