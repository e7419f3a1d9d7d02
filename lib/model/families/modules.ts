import type { LinearOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Tensors } from '../blueprint.js';

/* Networks by the modules that their tensors are named after, for naming schemes in which modules have many names. */

/** A tensor under the name that it has in the network. */
export interface Part {
  readonly name: string;
  /** For messages. */
  readonly inFile: string;
  readonly shape: readonly number[];
}

/** What programs that name a weight so keep in its rows: what it gives, what it takes, or either. */
export type Convention = 'outputs' | 'inputs' | 'either';

/** The tensors of one module. */
export interface Module {
  /** Its name, part by part. */
  readonly path: readonly string[];
  readonly weight?: Part;
  readonly convention: Convention;
  readonly bias?: Part;
  /** Everything else: running means, scales … */
  readonly others: readonly Part[];
}

/** `kernel:0` as TensorFlow has it is `kernel`. */
const DEVICE = /:0$/;
/** The last part of the name of a module's weight, and of its bias. */
const WEIGHT: Readonly<Record<string, Convention>> = { weight: 'outputs', kernel: 'inputs', w: 'either', W: 'either' };
const BIAS = /^(?:bias|b|B)$/;
/** Bare arrays: `W1` and `b1`, `weights_0` and `biases_0`, `coefs_0` and `intercepts_0`. */
const BARE_WEIGHT = /^(?:(w|weights?)|kernels?|(coefs?))_?(\d+)$/i;
const BARE_BIAS = /^(?:b|bias(?:es)?|intercepts?)_?(\d+)$/i;
/** A bias beside its module and not in it: `Down_bias` of `Down.weight`. */
const BESIDE = /^(Left|Right|Down)_bias$/;
/** Bare arrays as TransformerLens names them, whose rows are inputs: `W_in` and `b_in`. */
const BARE_END = /^([Wb])_(in|out|gate)$/;

/** The modules of a checkpoint, in its order. */
export function modulesOf(tensors: Tensors): Module[] {
  const modules = new Map<string, { -readonly [key in keyof Module]: Module[key] } & { others: Part[] }>();
  for (const [name, { name: inFile, shape }] of tensors) {
    const { path, role, convention } = partNamed(name);
    const key = JSON.stringify(path);
    const module = modules.get(key) ?? { path, convention: 'either' as const, others: [] };
    modules.set(key, module);
    const part = { name, inFile, shape };
    if (role === 'weight' && module.weight === undefined) Object.assign(module, { weight: part, convention });
    else if (role === 'bias' && module.bias === undefined) module.bias = part;
    else module.others.push(part);
  }
  return [...modules.values()];
}

interface Named {
  readonly path: readonly string[];
  readonly role: 'weight' | 'bias' | 'other';
  readonly convention: Convention;
}

function partNamed(name: string): Named {
  const parts = name.split(/[./]/);
  const last = (parts.pop() as string).replace(DEVICE, '');
  const named = (role: Named['role'], module: readonly string[], convention: Convention = 'either'): Named => ({
    path: [...parts, ...module],
    role,
    convention,
  });
  if (Object.hasOwn(WEIGHT, last)) return named('weight', [], WEIGHT[last]);
  if (BIAS.test(last)) return named('bias', []);
  const [, w, coefficients, number] = BARE_WEIGHT.exec(last) ?? [];
  if (number !== undefined)
    return named('weight', [`w${number}`], coefficients && w === undefined ? 'inputs' : 'either');
  const [, ofBias] = BARE_BIAS.exec(last) ?? [];
  if (ofBias !== undefined) return named('bias', [`w${ofBias}`]);
  const [, letter, end] = BARE_END.exec(last) ?? [];
  if (end !== undefined) return letter === 'W' ? named('weight', [end], 'inputs') : named('bias', [end]);
  const [, beside] = BESIDE.exec(last) ?? [];
  return beside === undefined ? named('other', []) : named('bias', [beside]);
}

/** A module that is a linear map: a matrix, and a bias as long as one of its sides. */
export type LinearModule = Module & { readonly weight: Part };

export function isLinear({ weight, bias, others }: Module): boolean {
  if (weight === undefined || weight.shape.length !== 2 || others.length > 0) return false;
  return bias === undefined || (bias.shape.length === 1 && weight.shape.includes(bias.shape[0]));
}

/** How the matrices of a network are to be read. */
export type Rows = 'outputs' | 'inputs';

/** What a linear module takes and gives, its matrix read one way or the other; undefined if its bias does not fit. */
export function widthsOf({ weight, bias }: LinearModule, rows: Rows): [takes: number, gives: number] | undefined {
  const [takes, gives] = rows === 'outputs' ? [weight.shape[1], weight.shape[0]] : weight.shape;
  return bias === undefined || bias.shape[0] === gives ? [takes, gives] : undefined;
}

/**
 * How the rows of a network's matrices are read, by what fits and, where both do, by who names them so. Undefined:
 * nothing fits; `either`: nobody can tell.
 */
export function rowsOf(modules: readonly LinearModule[], fits: (rows: Rows) => boolean): Rows | 'either' | undefined {
  const [outputs, inputs] = [fits('outputs'), fits('inputs')];
  if (outputs !== inputs) return outputs ? 'outputs' : 'inputs';
  if (!outputs) return undefined;
  // A network whose matrices are their own transposes in shape, and which has no biases that would tell.
  const usual = new Set(modules.map(({ convention }) => convention));
  const [convention] = usual;
  return usual.size === 1 ? convention : 'either';
}

/** The place of a matrix whose rows are read so. */
export function matrixAt({ weight }: LinearModule, rows: Rows): Place {
  return rows === 'outputs' ? { tensor: weight.name } : { tensor: weight.name, transposed: true };
}

/** The place of a module's bias under a role, as a field to spread. */
export function biasAt<Role extends string>(role: Role, { bias }: Module): { readonly [key in Role]?: Place } {
  return bias === undefined ? {} : ({ [role]: { tensor: bias.name } } as { [key in Role]: Place });
}

export function linearOf(module: LinearModule, rows: Rows): LinearOf<Place> {
  return { type: 'linear', weight: matrixAt(module, rows), ...biasAt('bias', module) };
}

/** Names of modules without what all have in common, before and behind: `layers.0.linear` is `0` among its like. */
export function ownPaths(modules: readonly Module[]): string[][] {
  const paths = modules.map(({ path }) => [...path]);
  if (paths.length < 2) return paths.map((path) => path.slice(-1));
  const isCommon = (at: (path: readonly string[]) => string | undefined) =>
    paths.every((path) => path.length > 1 && at(path) === at(paths[0]));
  while (isCommon(([first]) => first)) for (const path of paths) path.shift();
  while (isCommon((path) => path.at(-1))) for (const path of paths) path.pop();
  return paths;
}
