import type { TensimError } from '../../errors.js';
import { quoted } from '../../words/names.js';
import type { Blueprint, Tensors } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';
import { attention } from './attention.js';
import { bae } from './bae.js';
import { bilinear } from './bilinear.js';
import { bilinearVpd } from './bilinear_vpd.js';
import { blocks } from './blocks.js';
import { deep } from './deep.js';
import type { Everyday } from './everyday.js';
import type { Family, Match } from './family.js';
import { foreign } from './foreign.js';
import { gated } from './gated.js';
import { image } from './image.js';
import { languageModel } from './language_model.js';
import { noLinearNorm } from './linear_norm.js';
import { mlp } from './mlp.js';
import { policy } from './policy.js';
import { untold } from './refusals.js';
import { sides } from './sides.js';
import { tellingSign } from './signs.js';
import { stack } from './stack.js';
import { tensorLanguage } from './tensor_language.js';
import { transformer } from './transformer.js';

const FAMILIES: readonly Family[] = [
  ...[bilinear, deep, transformer, attention, tensorLanguage, bilinearVpd],
  ...[image, sides, bae, stack, languageModel],
];

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

/** Kinds of networks that are recognised by what their modules are called, in many ways; the first that knows one. */
const EVERYDAY: readonly Everyday[] = [policy, blocks, gated, mlp];

/**
 * The same of a network as people name them, of which the tensors rarely tell everything.
 * @throws TensimError for one that is known as far as its tensors tell it, with what is to be said.
 */
export function recogniseEveryday(tensors: Tensors, settings: ModelSettings): Blueprint | undefined {
  for (const known of EVERYDAY) {
    const blueprint = known(tensors, settings);
    if (blueprint !== undefined) return blueprint;
  }
  return undefined;
}

/** Weights of quadratic attention and of bilinear blocks, under whatever names. */
const QUADRATIC = /(?:^|[._/])(?:[qk][12](?:_proj)?|[lrLR]|left|right)[._/]weight$/;

/**
 * Why a checkpoint belongs to no family: what it is instead, or what was found, which family is nearest and what
 * differs.
 * @param prefix what all names have before them in the file.
 * @param settings for what a config may say of it.
 */
export function unrecognised(tensors: Tensors, file: string, prefix = '', settings?: ModelSettings): TensimError {
  const isQuadratic = settings !== undefined && [...tensors.keys()].some((name) => QUADRATIC.test(name));
  const normed = isQuadratic ? noLinearNorm(settings) : undefined;
  if (normed !== undefined) return normed;
  const inFile = (name: string) => tensors.get(name)?.name ?? prefix + name;
  const names = [...tensors.keys()];
  const matches = FAMILIES.map((family) => ({ family, match: family.match(tensors) }));
  const { family, match } = matches.reduce((best, next) => (distance(next.match) < distance(best.match) ? next : best));
  const related = match.found.length > 0 && match.missing.length <= match.found.length;
  const known = related ? undefined : foreign(tensors, file, inFile);
  if (known !== undefined) return known;
  const [missing, extra] = [match.missing.map(inFile), match.extra.map(inFile)];
  const parts = [
    `found ${names.length === 0 ? 'no tensors' : quoted(names.map(inFile))}`,
    match.found.length > 0 ? `the nearest is ${family.name}, with ${difference(missing, extra)}` : undefined,
    match.found.length > 0 && missing.length > 0 ? `its names are ${family.looksFor}` : undefined,
    tellingSign(match.found.length > 0 ? extra : names.map(inFile)),
  ];
  const complete = missing.length === 0 && extra.length > 0;
  const leave = `leave out what the network does not need (--ignore '${extra[0]}', option "ignore")`;
  const why = parts.filter((part) => part !== undefined).join('; ');
  return untold(file, ['is of no known family', why], ...(complete ? [leave] : []));
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
