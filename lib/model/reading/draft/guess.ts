import { quoted } from '../../../words/names.js';
import type { Tensors } from '../../blueprint.js';
import { isLinear, type LinearModule, type Module, modulesOf, type Part } from '../../families/modules.js';
import { DESCRIPTION_SCHEMA } from '../description.js';
import type { Described } from './describe.js';
import { factorsOf, isFeatureNorm, kindOfModule, normOf, patternIn } from './roles.js';

/** What stands in a draft in the place of what no tensor tells; no description with it is read. */
const FILL_IN = 'FILL IN';

/** A description that is guessed, and what whoever asked has to do about it. */
export interface Guessed {
  readonly description: Described;
  /** Fields that have to be filled in, by their paths: `layers[1].heads: the number of heads`. */
  readonly missing: readonly string[];
  /** Tensors that no layer is made of, by their names. */
  readonly left: readonly string[];
}

/**
 * A description of any tensors by what they are called: groups by the number of a layer, modules that belong together,
 * matrices turned so that they take what comes before them. All of it is guessed, and marked so.
 */
export function guessed(tensors: Tensors): Guessed {
  const drafting = new Drafting(modulesOf(tensors));
  const layers = drafting.layers();
  const left = [...tensors.keys()].filter((name) => !drafting.used.has(name));
  const mixing = ['attention', 'softmax_attention', 'positions'].some((type) => drafting.types.has(type));
  const positions = mixing ? `${FILL_IN}: positions of an input` : undefined;
  const missing = [
    ...(positions === undefined ? [] : [`positions${positions.slice(FILL_IN.length)}`]),
    ...layers.flatMap((layer, at) => missingIn(layer, `layers[${at}]`)),
    ...(layers.length === 0 ? ['layers: none was found'] : []),
  ];
  const description = { schema: DESCRIPTION_SCHEMA, ...(positions !== undefined && { positions }), layers };
  return { description, missing, left };
}

function missingIn(layer: Described, path: string): string[] {
  return Object.entries(layer).flatMap(([field, value]) => {
    if (field === 'branches')
      return (value as readonly (readonly Described[])[]).flatMap((branch, b) =>
        branch.flatMap((inner, i) => missingIn(inner, `${path}.branches[${b}][${i}]`)),
      );
    return typeof value === 'string' && value.startsWith(FILL_IN)
      ? [`${path}.${field}${value.slice(FILL_IN.length)}`]
      : [];
  });
}

/** The modules of one numbered block, or one module that is in none. */
interface Group {
  readonly rank: number;
  readonly number: number;
  readonly modules: Module[];
}

const ATTENTION = /att(?:entio)?n/i;

class Drafting {
  /** Names of tensors that are in a layer, and types of layers. */
  readonly used = new Set<string>();
  readonly types = new Set<string>();
  readonly #modules: readonly Module[];
  /** Features that the layers so far give; undefined before the first. */
  #width: number | undefined;

  constructor(modules: readonly Module[]) {
    this.#modules = modules;
  }

  layers(): Described[] {
    const groups = groupsOf(this.#modules);
    const chain = groups.filter(({ number, modules }) => number < 0 && modules.every((one) => isPlain(one)));
    return groups.flatMap((group, at) => {
      const [module] = group.modules;
      if (group.number >= 0) return this.#block(group.modules);
      const isLast = group === chain.at(-1);
      // Between layers of a plain chain there may be anything.
      const between = isPlain(module) && !isLast && chain.length > 1 && groups[at + 1]?.number === -1;
      return this.#alone(module, between);
    });
  }

  /** The parts of a block in the order of its tensors, each behind the norm that is called after it. */
  #block(modules: readonly Module[]): Described[] {
    let rest = [...modules];
    const parts: { readonly at: number; readonly layer: Described; readonly isAttention: boolean }[] = [];
    for (let found = patternIn(rest); found !== undefined; found = patternIn(rest)) {
      const own = new Set<Module>(Object.values(found.modules));
      rest = rest.filter((module) => !own.has(module));
      const isAttention = /attention/.test(found.pattern.type);
      const at = modules.findIndex((module) => own.has(module));
      parts.push({ at, layer: this.#patterned(found.pattern.type, found.modules), isAttention });
    }
    const norms = rest.filter(isFeatureNorm);
    // What is left of an attention is part of one: queries, keys and values in one matrix, say.
    const others = rest.filter((module) => isLinear(module) && !ATTENTION.test(module.path.join('.')));
    parts.sort((a, b) => Number(b.isAttention) - Number(a.isAttention) || a.at - b.at);
    const layers = parts.map(({ layer, isAttention }): Described => {
      const own = isAttention ? 'attention' : 'mlp';
      const norm = norms.find((module) => normOf(module) === own) ?? norms.find((one) => normOf(one) === undefined);
      if (norm === undefined) return layer;
      norms.splice(norms.indexOf(norm), 1);
      const { residual: _, remark, ...inner } = layer;
      this.types.add('parallel');
      const remarks = `Guess: x + block(norm(x)), with the norm before its block. ${remark}`;
      return { type: 'parallel', branches: [[this.#norm(norm), inner]], remark: remarks };
    });
    return [...layers, ...others.flatMap((module) => this.#alone(module, false))];
  }

  /** A layer of the modules of a pattern. A block that gives as much as it takes is guessed to add to its input. */
  #patterned(type: string, modules: Readonly<Record<string, LinearModule>>): Described {
    this.types.add(type);
    const takes = this.#width;
    const last = modules.o ?? modules.down;
    const fields: Record<string, unknown> = { type };
    let width = takes;
    for (const [field, module] of Object.entries(modules)) {
      const isLast = module === last;
      const turned = this.#turned(module, isLast ? width : takes);
      fields[field] = turned.place;
      if (!isLast) width = turned.gives;
      else this.#width = turned.gives;
      const { bias } = module;
      if (bias === undefined) continue;
      fields[biasField(type, field)] = bias.name;
      this.#take(bias);
    }
    const isAdding = takes !== undefined && takes === this.#width;
    return {
      ...fields,
      ...settingsOf(type),
      ...(isAdding && { residual: { add: 1 } }),
      remark: `Guess: by the names of its tensors${isAdding ? ', and that it adds to its input, as it gives as much as it takes' : ''}.${type === 'softmax_attention' ? ' With patterns that are squared, not normalised, it is of the type attention.' : ''}`,
    };
  }

  #norm(module: Module): Described {
    const [weight, bias] = factorsOf(module);
    const type = bias === undefined ? 'rms_norm' : 'layer_norm';
    this.types.add(type);
    for (const part of [weight, bias]) if (part !== undefined) this.#take(part);
    return {
      type,
      weight: weight?.name,
      ...(bias && { bias: bias.name }),
      epsilon: 1e-5,
      remark: `Guess: ${bias === undefined ? 'an RMS norm, as it has no bias' : 'a layer norm, as it has a bias'}, and its epsilon.`,
    };
  }

  #alone(module: Module, between: boolean): Described[] {
    if (isFeatureNorm(module)) return [this.#norm(module)];
    if (!isLinear(module)) return [];
    const linear = module as LinearModule;
    const kind = kindOfModule(module);
    const { weight, bias } = linear;
    if (kind === 'positions') {
      this.#take(weight);
      this.types.add('positions');
      return [{ type: 'positions', weight: weight.name, remark: 'Guess: learned positions, by its name.' }];
    }
    if (bias !== undefined) this.#take(bias);
    const own = bias === undefined ? {} : { bias: bias.name };
    if (
      kind === 'embedding' &&
      this.#width === undefined &&
      this.#meets(weight.shape[1]) > this.#meets(weight.shape[0])
    ) {
      this.#take(weight);
      this.#width = weight.shape[1];
      const remark = 'Guess: an embedding whose rows are tokens, by its name and shape.';
      return [{ type: 'linear', weight: weight.name, transposed: true, ...own, remark }];
    }
    const { place, gives, remark } = this.#turned(linear, this.#width);
    this.#width = gives;
    if (!between) return [{ type: 'linear', weight: place, ...own, ...(remark && { remark }) }];
    const activation = `${FILL_IN}: what stands behind this layer, the name of an activation or "none"`;
    return [{ type: 'hidden', weight: place, ...own, activation, ...(remark && { remark }) }];
  }

  /** How many matrices have a side of so many features. */
  #meets(features: number): number {
    return this.#modules.filter(({ weight }) => weight?.shape.length === 2 && weight.shape.includes(features)).length;
  }

  /** The place of a matrix that takes so many features: as it is, or its transpose. */
  #turned({ weight, convention }: LinearModule, takes: number | undefined) {
    this.#take(weight);
    const [rows, columns] = weight.shape;
    const isTurned = takes === undefined ? convention === 'inputs' : columns !== takes && rows === takes;
    const fits = takes === undefined || columns === takes || rows === takes;
    return {
      place: isTurned ? { tensor: weight.name, transposed: true } : weight.name,
      gives: isTurned ? columns : rows,
      ...(!fits && {
        remark: `It does not take the ${takes} features that come before it: the order is to be looked at.`,
      }),
      ...(fits && isTurned && { remark: 'Guess: stored with its inputs in rows, by the shapes around it.' }),
    };
  }

  #take({ name }: Part): void {
    this.used.add(name);
  }
}

const isPlain = (module: Module): boolean => isLinear(module) && kindOfModule(module) === 'other';

/** What is set beside the tensors: what can be guessed, and what only who trained it knows. */
function settingsOf(type: string): Described {
  if (type === 'attention') return { heads: `${FILL_IN}: the number of heads`, mask: 'causal', rotaryBase: 10_000 };
  if (type === 'softmax_attention') return { heads: `${FILL_IN}: the number of heads`, mask: 'causal' };
  if (type === 'bilinear') return {};
  return { activation: `${FILL_IN}: the name of its activation, "none" for a product alone` };
}

const biasField = (type: string, field: string): string =>
  type === 'hidden' && field === 'weight' ? 'bias' : `${field}Bias`;

/**
 * Modules by the first number in their names, where more of the name follows it; those without stand alone. Embeddings
 * go first and heads last; blocks go by their numbers, and all else stays as it is in the file.
 */
function groupsOf(modules: readonly Module[]): Group[] {
  const groups = new Map<string, Group>();
  const firsts = new Map<string, number>();
  for (const [at, module] of modules.entries()) {
    const { path } = module;
    const numbered = path.findIndex((part, i) => /^\d+$/.test(part) && i < path.length - 1);
    const stem = path.slice(0, numbered).join('.');
    const key = numbered < 0 ? `alone ${at}` : `${stem} ${path[numbered]}`;
    const rank = { embedding: -2, positions: -1, other: 0, head: 1 }[numbered < 0 ? kindOfModule(module) : 'other'];
    if (numbered >= 0 && !firsts.has(stem)) firsts.set(stem, at);
    const place = rank * modules.length + (rank === 0 ? (firsts.get(stem) ?? at) : 0);
    const number = numbered < 0 ? -1 : Number(path[numbered]);
    const group = groups.get(key) ?? { rank: numbered < 0 ? rank * modules.length + at : place, number, modules: [] };
    groups.set(key, group);
    group.modules.push(module);
  }
  return [...groups.values()].sort((a, b) => a.rank - b.rank || a.number - b.number);
}

/** What is said of tensors that no layer is made of. */
export const leftInWords = (left: readonly string[]): string =>
  `${quoted(left)} ${left.length === 1 ? 'is' : 'are'} in no layer: make one of each, or name what the network does not need in "ignore".`;
