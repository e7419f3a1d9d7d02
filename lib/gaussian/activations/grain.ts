import type { Activation, ActivationName } from '../../layers/activations.js';
import { type Feature, NOTHING } from './line.js';
import { piecesOf } from './pieces.js';

/** What a rule of quadrature must know of a function of a standard normal z. */
export interface Grain {
  /** Its Fourier transform is below rounding beyond this frequency; infinite for functions that are not smooth. */
  readonly band: number;
  /** Where it changes on a scale of its own. */
  readonly features: readonly Feature[];
  /** Longest panel of a Gauss rule, where it changes everywhere alike. */
  readonly panel: number;
}

/** Of an activation as a function of x. */
interface Shape {
  readonly knots: readonly number[];
  /** About x = 0 it changes on this scale, far from there on a scale that grows with the distance. */
  readonly scale: number;
  readonly band: number;
  readonly panel: number;
}

/** e^(−33) · e^(−9 …) is below rounding: how far the transform of a function with a strip of half width 1 reaches. */
const STRIP = 35;

const analytic = (halfWidth: number, scale = halfWidth): Shape => ({
  knots: [],
  scale,
  band: STRIP / halfWidth,
  panel: Number.POSITIVE_INFINITY,
});

/**
 * The half widths of the strips about the real axis in which functions are analytic; entire ones have the frequency at
 * which their transform is below rounding.
 */
const SMOOTH: Partial<Record<ActivationName, Shape>> = {
  tanh: analytic(Math.PI / 2),
  sigmoid: analytic(Math.PI),
  silu: analytic(Math.PI),
  quick_gelu: analytic(Math.PI / 1.702),
  softplus: analytic(Math.PI),
  mish: analytic(Math.PI / 2),
  gelu_tanh: analytic(2.5, 1.5),
  gelu: { ...analytic(1), scale: 1.5, band: 9 },
  erf: { ...analytic(1), band: 12.5 },
  sin: { ...analytic(1), scale: Number.POSITIVE_INFINITY, band: 1, panel: 3 },
  cos: { ...analytic(1), scale: Number.POSITIVE_INFINITY, band: 1, panel: 3 },
};

/** e^x of an activation with such a piece. */
const EXPONENTIAL = 2;

function shapeOf(activation: Activation): Shape {
  const smooth = SMOOTH[activation.name];
  if (smooth !== undefined) return smooth;
  const pieces = piecesOf(activation);
  const knots = pieces?.knots ?? [];
  const scale = pieces?.exponential ? EXPONENTIAL : Number.POSITIVE_INFINITY;
  return {
    knots,
    scale,
    band: knots.length === 0 ? 0 : Number.POSITIVE_INFINITY,
    panel: Number.POSITIVE_INFINITY,
  };
}

/** E φ(m + s (slope z + spread w)) over w, as a function of z; without a spread φ(m + s slope z) itself. */
export function grainOf(activation: Activation, mean: number, deviation: number, slope = 1, spread = 0): Grain {
  const size = deviation * Math.abs(slope);
  if (size === 0) return NOTHING;
  const { knots, scale, band, panel } = shapeOf(activation);
  const blur = spread / Math.abs(slope);
  const place = (x: number) => (x - mean) / (deviation * slope);
  const features = knots.map((x) => ({ at: place(x), scale: blur }));
  if (scale < Number.POSITIVE_INFINITY) features.push({ at: place(0), scale: Math.hypot(scale / size, blur) });
  // A blurred function has the transform times e^(−(ω·blur)²/2).
  return { band: Math.min(band * size, BLURRED / blur), features, panel: Math.max(panel / size, blur / 3) };
}

const BLURRED = 9;
