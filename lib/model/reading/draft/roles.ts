import type { LinearModule, Module, Part } from '../../families/modules.js';
import { isLinear } from '../../families/modules.js';

/* What the modules of one block may be, by what they are called. */

/** A part of a block that several modules make, with the fields that they are in a layer. */
export interface Pattern {
  readonly type: 'attention' | 'softmax_attention' | 'bilinear' | 'gated' | 'hidden';
  /** Field by field, a bare name: without case, `_`, `-` and a `proj`, `fc`, `linear` or `layer` around it. */
  readonly fields: Readonly<Record<string, string>>;
}

const spelled = (type: Pattern['type'], roles: readonly string[], names: readonly string[]): Pattern => ({
  type,
  fields: Object.fromEntries(roles.map((role, i) => [role, names[i]])),
});
const SIDES = ['left', 'right', 'down'];
const GATED = ['gate', 'up', 'down'];
const HIDDEN = ['weight', 'down'];
const SINGLE = ['q', 'k', 'v', 'o'];

/** The larger ones first: what is left of them is never taken for a smaller one. */
export const PATTERNS: readonly Pattern[] = [
  spelled('attention', ['q1', 'k1', 'q2', 'k2', 'v', 'o'], ['q1', 'k1', 'q2', 'k2', 'v', 'o']),
  spelled('softmax_attention', SINGLE, SINGLE),
  spelled('softmax_attention', SINGLE, ['query', 'key', 'value', 'out']),
  spelled('softmax_attention', SINGLE, ['q', 'k', 'v', 'out']),
  spelled('gated', GATED, GATED),
  spelled('gated', GATED, ['w1', 'w3', 'w2']),
  spelled('gated', GATED, ['wi0', 'wi1', 'wo']),
  spelled('bilinear', SIDES, ['l', 'r', 'd']),
  spelled('bilinear', SIDES, ['left', 'right', 'down']),
  spelled('bilinear', SIDES, ['wl', 'wr', 'wp']),
  spelled('bilinear', SIDES, ['wm', 'wn', 'w']),
  ...[
    ['fc1', 'fc2'],
    ['cfc', 'c'],
    ['lin1', 'lin2'],
    ['linear1', 'linear2'],
    ['up', 'down'],
    ['w1', 'w2'],
    ['in', 'out'],
    ['denseh to4h', 'dense4hto h'].map((name) => name.replace(' ', '')),
  ].map((names) => spelled('hidden', HIDDEN, names)),
];

/** The bare name of a module. */
export function bareName({ path }: Module): string {
  const word = (path.at(-1) ?? '').toLowerCase().replace(/[-_.]/g, '');
  return /^(.+?)(?:proj|layer)$/.exec(word)?.[1] ?? word;
}

export interface Found {
  readonly pattern: Pattern;
  readonly modules: Readonly<Record<string, LinearModule>>;
}

/** The first pattern that modules of one parent make; undefined for none. */
export function patternIn(modules: readonly Module[]): Found | undefined {
  const parents = new Map<string, Map<string, LinearModule>>();
  for (const module of modules) {
    if (!isLinear(module)) continue;
    const parent = module.path.slice(0, -1).join('.');
    parents.set(parent, (parents.get(parent) ?? new Map()).set(bareName(module), module as LinearModule));
  }
  for (const named of parents.values())
    for (const pattern of PATTERNS) {
      const found = Object.entries(pattern.fields).map(([field, name]) => [field, named.get(name)] as const);
      if (found.every(([, module]) => module !== undefined))
        return { pattern, modules: Object.fromEntries(found) as Record<string, LinearModule> };
    }
  return undefined;
}

/** Names of the factors of a norm, and of what it adds, in libraries that do not call them weight and bias. */
const FACTORS = /(?:^|[./])(?:gamma|scale|g)$/;
const SHIFTS = /(?:^|[./])beta$/;

/** The factors of a norm over features, and what it adds if it does; none of them for any other module. */
export function factorsOf({ path, weight, bias, others }: Module): [weight?: Part, bias?: Part] {
  const own = [weight, bias, ...others].filter((part) => part !== undefined);
  const [first = others.find(({ name }) => FACTORS.test(name))] = [weight];
  const second = bias ?? others.find(({ name }) => SHIFTS.test(name));
  const isNorm = /norm|(?:^|_)ln/i.test(path.join('_')) && own.every(({ shape }) => shape.length === 1);
  if (!isNorm || first === undefined || own.length > (second === undefined ? 1 : 2)) return [];
  return second === undefined ? [first] : [first, second];
}

export const isFeatureNorm = (module: Module): boolean => factorsOf(module).length > 0;

/** Whether a norm is of the attention of its block, or of the rest; undefined where its name does not say. */
export function normOf({ path }: Module): 'attention' | 'mlp' | undefined {
  const name = (path.at(-1) ?? '').toLowerCase();
  if (/post_attention|mlp|ffn|ff|2$/.test(name)) return 'mlp';
  return /attn|attention|input|1$/.test(name) ? 'attention' : undefined;
}

const EMBEDDING = /emb|(?:^|_)(?:wte|tok)/i;
const POSITIONS = /pos|(?:^|_)wpe/i;
const HEAD = /head|unembed|classifier|decoder$/i;

/** Where in a network a module stands, by its name: an embedding first, a head last. */
export function kindOfModule({ path }: Module): 'embedding' | 'positions' | 'head' | 'other' {
  const name = path.join('_');
  if (HEAD.test(name)) return 'head';
  if (POSITIONS.test(name)) return 'positions';
  return EMBEDDING.test(name) ? 'embedding' : 'other';
}
