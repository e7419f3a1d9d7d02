import type { Activation } from '../../layers/activations.js';

/*
 * How much a unit changes when its linear functions move by a little, without the difference of nearly equal numbers.
 * F(t) is the unit with its linear functions the part t of the way from those of g to those of f; wanted is F(1) − F(0).
 */

/** Units at t in [0, 1], or beyond, which add up to F(1) − F(0) with these factors. */
export interface Term {
  readonly at: number;
  readonly factor: number;
}

/** Half of the nodes, on (0, 1): where Chebyshev's polynomial of degree three in t² is zero. */
const NODES = [1, 3, 5].map((k) => Math.cos((k * Math.PI) / 12) ** 2).map(Math.sqrt);
/**
 * How far a smooth unit is moved, as a root mean square of its argument. Activations are analytic within |Im x| < 1, so
 * that an interpolation of degree six is right to (1/32) STEP⁶, 10⁻¹⁰ of what is sought; what cancels is 1/STEP² of it.
 */
const STEP = 0.04;
/** Units that move by more are not interpolated: they are no near ones. */
export const FARTHEST = 0.15;

/**
 * F(1) − F(0) of a smooth unit from much longer steps: F(½ + t) − F(½ − t) is t times a function of t², which is
 * interpolated at t² = (L τ_k)² and evaluated at t = ½, L as long as STEP allows.
 * @param size how far the argument moves from g to f.
 */
export function interpolated(size: number): readonly Term[] {
  const length = size > 0 ? Math.max(STEP / size, 0.5 / NODES[0]) : 1;
  const nodes = NODES.map((node) => node * length);
  return nodes.flatMap((t, k) => {
    let basis = 0.5 / t;
    for (const [j, other] of nodes.entries()) {
      if (j !== k) basis *= (0.25 - other * other) / ((t - other) * (t + other));
    }
    return [
      { at: 0.5 + t, factor: basis },
      { at: 0.5 - t, factor: -basis },
    ];
  });
}

/** Smaller steps than this have ρ = 1 but for rounding. */
const NO_STEP = 2e-7;

/**
 * Where the derivative of a unit with a kink is taken, each time with the factor 1/2: at ½ ∓ ⅓. The mean square of half a
 * step here and half a step there is that of the ramp between them, |u| < |d|/2:
 *
 *     E (φ(u + d/2) − φ(u − d/2))² − E (φ'(u) d)² = −|d|³ p(0)/6 + …
 *
 * and of two different units they differ by d² times what is sought. Where d is so small that this is nothing, once at ½.
 */
export function kinkNodes(size: number): readonly number[] {
  return size < NO_STEP ? [0.5] : [1 / 6, 5 / 6];
}

/** What is left out by `kinkNodes`, relative to what is sought; of random networks less than a tenth of it was seen. */
export function kinkError(size: number): number {
  return size < NO_STEP ? size : (size * size) / 10;
}

/** φ(x) = below · x for x < 0, above · x for x > 0; null for other functions. */
export function kinkOf({ name, slope }: Activation): { readonly below: number; readonly above: number } | null {
  switch (name) {
    case 'relu':
      return { below: 0, above: 1 };
    case 'leaky_relu':
    case 'prelu':
      return { below: slope, above: 1 };
    case 'abs':
      return { below: -1, above: 1 };
    default:
      return null;
  }
}

/** Whether φ is analytic near the real axis. */
export function isAnalytic({ name }: Activation): boolean {
  return ANALYTIC.has(name);
}

const ANALYTIC: ReadonlySet<string> = new Set([
  ...['identity', 'square', 'gelu', 'gelu_tanh', 'quick_gelu', 'silu', 'tanh', 'sigmoid', 'softplus', 'mish', 'erf'],
  ...['sin', 'cos', 'exp'],
]);
