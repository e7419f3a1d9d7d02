import type { TensimError } from '../../errors.js';
import { NoModelError } from '../../formats/no_model.js';
import { layerKinds } from '../../layers/table.js';
import { listed, quoted } from '../../words/names.js';
import type { Blueprint, Tensors } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';
import { attention } from './attention.js';
import { bilinear } from './bilinear.js';
import { deep } from './deep.js';
import type { Family, Match } from './family.js';
import { image } from './image.js';
import { languageModel } from './language_model.js';
import { sides } from './sides.js';
import { tellingSign } from './signs.js';
import { stack } from './stack.js';
import { transformer } from './transformer.js';

const FAMILIES: readonly Family[] = [bilinear, deep, transformer, attention, image, sides, stack, languageModel];

/**
 * The blueprint of a checkpoint whose tensor names are those of a family, all of them and no others; else undefined.
 * @throws TensimError as `ModelSettings`, for what the family needs to know beside.
 */
export function recognise(tensors: Tensors, settings: ModelSettings): Blueprint | undefined {
  const family = FAMILIES.find((candidate) => {
    const { missing, extra } = candidate.match(tensors);
    return missing.length === 0 && extra.length === 0;
  });
  return family?.blueprint(tensors, settings);
}

/**
 * Why a checkpoint belongs to no family: what was looked for, what was found, which family is nearest and what differs.
 * @param prefix what all names have before them in the file.
 */
export function unrecognised(tensors: Tensors, file: string, prefix = ''): TensimError {
  const inFile = (names: readonly string[]) => names.map((name) => tensors.get(name)?.name ?? prefix + name);
  const names = [...tensors.keys()];
  const matches = FAMILIES.map((family) => ({ family, match: family.match(tensors) }));
  const nearest = matches.reduce((best, next) => (distance(next.match) < distance(best.match) ? next : best));
  const related = matches.some(({ match }) => match.found.length > 0);
  const [missing, extra] = [inFile(nearest.match.missing), inFile(nearest.match.extra)];
  const parts = [
    `is of no known family: looked for ${FAMILIES.map(({ name, looksFor }) => `${name} (${looksFor})`).join(' or ')}`,
    `found ${names.length === 0 ? 'no tensors' : quoted(inFile(names))}`,
    related ? `the nearest is ${nearest.family.name}, with ${difference(missing, extra)}` : undefined,
    tellingSign(related ? extra : inFile(names)),
  ];
  const kinds = layerKinds.entries.map(({ words }) => words.adjective);
  const describe = `If the network is a chain of ${listed(kinds, 'and')} layers, describe it with a model.json (--model FILE, option "model")`;
  const complete = related && missing.length === 0 && extra.length > 0;
  const leave = `If the network does not need what is left over, leave it out: --ignore '${extra[0]}' (option "ignore")`;
  return new NoModelError('UNSUPPORTED_LAYER', parts.filter((part) => part !== undefined).join('; '), {
    file,
    hint: complete ? `${leave}. ${describe}` : describe,
  });
}

/** How many names differ; a family of which nothing was found is farther away than any of which something was. */
function distance({ found, missing, extra }: Match): number {
  return found.length === 0 ? Number.POSITIVE_INFINITY : missing.length + extra.length;
}

function difference(missing: readonly string[], extra: readonly string[]): string {
  const parts = [
    missing.length > 0 ? `${quoted(missing)} missing` : undefined,
    extra.length > 0 ? `${quoted(extra)} left over` : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(' and ');
}
