import { TensimError } from '../../errors.js';
import { whenNeeded } from '../legendre.js';
import { normalDensity } from '../normal.js';
import type { Grain } from './grain.js';

/** A place about which a function changes on a scale; zero for a kink or a step. */
export interface Feature {
  readonly at: number;
  readonly scale: number;
}

/** Points z and what their values are multiplied by, the density of the normal included: Σ w f(z) = E f(z). */
export interface Nodes {
  readonly z: Float64Array;
  readonly weights: Float64Array;
}

/** The grain of a constant, or of a polynomial of low degree. */
export const NOTHING: Grain = { band: 0, features: [], panel: Number.POSITIVE_INFINITY };

/** That of a product. */
export function together(a: Grain, b: Grain): Grain {
  return {
    band: a.band + b.band,
    features: [...a.features, ...b.features],
    panel: Math.min(a.panel, b.panel),
  };
}

/** The transform of the density, with what it multiplies, is below rounding beyond this frequency. */
const DENSITY_BAND = 9;
/** Beyond this the trapezoidal rule takes more points than panels of a Gauss rule. */
const WIDEST_BAND = 120;
export const PANEL = whenNeeded(20);
/** Panels about a feature, in its scale; from the last on they double. */
const STEPS = [1, 2, 3, 4, 6, 8];
const MOST_PANELS = 1 << 18;
/** Features narrower than this carry nothing: they are places where a panel ends. */
const NARROWEST = 1e-17;

/**
 * A rule for E f(z), |z| ≤ reach, to rounding: the trapezoidal rule where f is smooth, which converges faster than any
 * power of the step (MATH.md section 10), else a composite Gauss–Legendre rule whose panels end at the kinks and become
 * short about the places where f changes.
 * @param frequency of what f is multiplied by
 */
export function nodesFor({ band, features, panel }: Grain, reach: number, frequency = 0): Nodes {
  if (isSmooth({ band }, frequency)) return trapezoid((2 * Math.PI) / (band + frequency + DENSITY_BAND), reach);
  return composite(features, Math.min(panel, longestPanel(frequency)), reach);
}

/** Of the rule of twenty points, which resolve some fourteen radians. */
export const longestPanel = (frequency: number): number => Math.min(2, 14 / Math.max(frequency, 1));

/** Whether the trapezoidal rule takes fewer points. */
export function isSmooth({ band }: Pick<Grain, 'band'>, frequency = 0): boolean {
  return band + frequency + DENSITY_BAND <= WIDEST_BAND;
}

/** z = p · step for every p. */
function trapezoid(step: number, reach: number): Nodes {
  const half = Math.ceil(reach / step);
  const z = Float64Array.from({ length: 2 * half + 1 }, (_, p) => (p - half) * step);
  return { z, weights: z.map((at) => step * normalDensity(at)) };
}

function composite(features: readonly Feature[], panel: number, reach: number): Nodes {
  const ends = panelEnds(features, panel, reach);
  const count = PANEL.nodes.length;
  const z = new Float64Array((ends.length - 1) * count);
  const weights = new Float64Array(z.length);
  for (let i = 0; i + 1 < ends.length; i++) {
    const half = (ends[i + 1] - ends[i]) / 2;
    const middle = ends[i] + half;
    for (let k = 0; k < count; k++) {
      const at = middle + half * PANEL.nodes[k];
      z[i * count + k] = at;
      weights[i * count + k] = half * PANEL.weights[k] * normalDensity(at);
    }
  }
  return { z, weights };
}

/** Where panels of a Gauss rule on [−reach, reach] end: at the features, and closely about them. */
export function panelEnds(features: readonly Feature[], panel: number, reach: number): Float64Array {
  const panels = Math.ceil((2 * reach) / panel);
  if (panels > MOST_PANELS) {
    throw new TensimError(
      'INVALID_ARGUMENT',
      'sin or cos of a number whose deviation is so large cannot be integrated',
      {
        hint: 'Its angle goes round more than a hundred thousand times; scale the weights before it down',
      },
    );
  }
  const ends = Array.from({ length: panels + 1 }, (_, i) => -reach + (2 * reach * i) / panels);
  const inside = (at: number) => {
    if (Math.abs(at) < reach) ends.push(at);
  };
  for (const { at, scale } of features) {
    if (!(Math.abs(at) < reach + panel * 8)) continue;
    inside(at);
    if (scale < NARROWEST) continue;
    for (let i = 0, unit = scale; ; i++) {
      if (i === STEPS.length) {
        i -= 2;
        unit *= 2;
      }
      const distance = STEPS[i] * unit;
      inside(at - distance);
      inside(at + distance);
      if (distance > 4 * panel) break;
    }
  }
  return Float64Array.from(new Set(ends)).sort();
}
