import { TensimError } from '../errors.js';
import { valueText } from '../words/quoting.js';
import type { Parity } from './kind.js';

/** What is known of a function φ of one number without computing it. */
interface About {
  /** Degree, of a polynomial. */
  readonly degree?: number;
  /** The power of x by which |φ(x)| grows, for sampling; default 1. */
  readonly growth?: number;
  readonly parity?: Parity;
  /** φ(s x) = s^k φ(x) for every s > 0: k. */
  readonly homogeneous?: number;
  /** What `slope` is where it is not given; activations without one have no slope. */
  readonly slope?: number;
  /** Other names, as torch, Keras and transformers have them; case, `_`, `-` and blanks do not count. */
  readonly aliases?: readonly string[];
}

/** Every activation, by its own name. */
const ABOUT = {
  identity: { degree: 1, parity: 'odd', homogeneous: 1, aliases: ['linear', 'none'] },
  square: { degree: 2, parity: 'even', homogeneous: 2, aliases: ['squared', 'quadratic'] },
  relu: { homogeneous: 1, aliases: ['relufn'] },
  /** x below zero times `slope`. */
  leaky_relu: { homogeneous: 1, slope: 0.01 },
  /** The same with a slope for every unit, the part `slopes`. */
  prelu: { homogeneous: 1 },
  relu6: { growth: 0 },
  hardtanh: { growth: 0, parity: 'odd' },
  /** max(x, 0)². */
  relu2: { growth: 2, homogeneous: 2, aliases: ['relu squared', 'squared relu'] },
  abs: { parity: 'even', homogeneous: 1, aliases: ['absolute'] },
  /** 0, ½ and 1 below, at and above zero. */
  heaviside: { growth: 0, homogeneous: 0, aliases: ['step', 'unit step'] },
  /** x Φ(x), Φ the distribution of N(0, 1). */
  gelu: { aliases: ['gelu python', 'gelu erf', 'gelu none'] },
  gelu_tanh: { aliases: ['gelu new', 'gelu pytorch tanh', 'gelu fast', 'gelu accurate', 'gelu approximate'] },
  /** x σ(1.702 x). */
  quick_gelu: { aliases: ['gelu sigmoid'] },
  silu: { aliases: ['swish', 'sil'] },
  tanh: { growth: 0, parity: 'odd' },
  sigmoid: { growth: 0, aliases: ['logistic', 'logsig'] },
  softplus: {},
  mish: {},
  erf: { growth: 0, parity: 'odd' },
  sin: { growth: 0, parity: 'odd', aliases: ['sine'] },
  cos: { growth: 0, parity: 'even', aliases: ['cosine'] },
  exp: { growth: 4, aliases: ['exponential'] },
  /** `slope` (eˣ − 1) below zero. */
  elu: { slope: 1 },
  selu: {},
  hardswish: { aliases: ['hard silu'] },
  hardsigmoid: { growth: 0 },
} as const satisfies Readonly<Record<string, About>>;

/** The names of the activations φ; others (`swish`, `gelu_new`, `ReLU` …) are read as well, as one of these. */
export type ActivationName = keyof typeof ABOUT;

/** All of them, in one order everywhere. */
export const ACTIVATION_NAMES = Object.keys(ABOUT) as readonly ActivationName[];

/** A function φ of one number. */
export interface Activation {
  readonly name: ActivationName;
  /** Of `leaky_relu` and `elu`; 0 for activations that have none, and for `prelu`, whose units have their own. */
  readonly slope: number;
}

/** How layers hold their activation: by a name, own or other, and the slope if it has one. */
export interface Activated {
  /** `'relu'`, `'gelu'`, …, or a name that torch, Keras or transformers has for one. */
  readonly activation: string;
  /** Of `leaky_relu` (default 0.01) and `elu` (default 1); null: the default. */
  readonly slope: number | null;
}

const bare = (name: string): string => name.toLowerCase().replace(/[\s_-]/g, '');

const BY_NAME: ReadonlyMap<string, ActivationName> = new Map(
  ACTIVATION_NAMES.flatMap((name) => {
    const { aliases = [] }: About = ABOUT[name];
    return [name, ...aliases].map((one): [string, ActivationName] => [bare(one), name]);
  }),
);

/** The activation that a name means, its own or one that other programs have for it; undefined: none is known. */
export function activationNamed(name: string): ActivationName | undefined {
  return BY_NAME.get(bare(name));
}

/**
 * The activation of a layer.
 * @throws TensimError `INVALID_ARGUMENT` for a name that is none, and for a slope where there is none.
 */
export function activationOf({ activation, slope }: Activated): Activation {
  const name = typeof activation === 'string' ? activationNamed(activation) : undefined;
  if (name === undefined) {
    throw new TensimError('INVALID_ARGUMENT', `there is no activation ${valueText(activation)}`, {
      hint: `Known are ${ACTIVATION_NAMES.join(', ')}, and their names in torch, Keras and transformers`,
    });
  }
  const { slope: own }: About = ABOUT[name];
  if (slope !== null && own === undefined)
    throw new TensimError('INVALID_ARGUMENT', `the activation "${name}" has no slope`);
  return { name, slope: slope ?? own ?? 0 };
}

/** What is known of an activation: degree (null for no polynomial), growth, parity, and of which power it is homogeneous. */
export function aboutActivation(name: ActivationName): {
  readonly degree: number | null;
  readonly growth: number;
  readonly parity: Parity;
  readonly homogeneous: number | null;
} {
  const { degree, growth = 1, parity = null, homogeneous }: About = ABOUT[name];
  return { degree: degree ?? null, growth: degree ?? growth, parity, homogeneous: homogeneous ?? null };
}
