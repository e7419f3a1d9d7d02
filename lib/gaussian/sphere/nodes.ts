import type { Activation } from '../../layers/activations.js';
import { grainOf } from '../activations/grain.js';
import { type Feature, longestPanel, PANEL, panelEnds } from '../activations/line.js';
import { orthonormalSteps } from './polynomials.js';

/** Beyond so many deviations of √d·t its density, times any p_n, is below rounding. */
const REACH = 12.5;
/** Panels of a table that serves all units of about one deviation; steeper ones have panels of their own. */
const MOST_SHARED = 256;
/** Panels in scales on which a smooth function changes: its poles are so far away that twenty points see none. */
const PANELS_IN_SCALES = 1.5;

/** Points on the sphere by one coordinate, z = √d·t, and their weights: Σ w f(z) = E f(z). */
export interface SphereNodes {
  readonly z: Float64Array;
  readonly weights: Float64Array;
  /** 1 − t². */
  readonly rest: Float64Array;
  /** p_n, (nodes, terms + 1). */
  readonly polynomials: Float64Array;
}

/** Tables by the deviations of the units that share them. */
export type SphereTables = Map<number, SphereNodes>;

/** The rule for φ(m + s z) times p_n, n ≤ terms, to rounding. */
export function sphereNodes(
  activation: Activation,
  m: number,
  s: number,
  d: number,
  terms: number,
  tables: SphereTables,
): SphereNodes {
  const bucket = 2 ** Math.ceil(Math.log2(s));
  const { features, panel } = grainOf(activation, 0, bucket);
  const scale = features.reduce((least, feature) => Math.min(least, feature.scale), Number.POSITIVE_INFINITY);
  const shared = Math.min(panel, PANELS_IN_SCALES * scale);
  if (2 * Math.min(REACH, Math.sqrt(d)) > MOST_SHARED * shared) {
    const own = grainOf(activation, m, s);
    return nodesOn(d, terms, own.features, own.panel);
  }
  const table = tables.get(bucket) ?? nodesOn(d, terms, [], shared);
  tables.set(bucket, table);
  return table;
}

/**
 * Gauss–Legendre panels in the angle, of which everything is an analytic function up to the poles.
 * @param panel the longest, of z
 */
export function nodesOn(d: number, terms: number, features: readonly Feature[], panel: number): SphereNodes {
  const radius = Math.sqrt(d);
  const reach = Math.min(REACH, radius);
  const angles = panelEnds(features, Math.min(panel, longestPanel(0)), reach).map((at) =>
    Math.asin(Math.min(1, Math.max(-1, at / radius))),
  );
  // As often as this p_n goes up and down, of the angle: as often near the poles as elsewhere.
  const ends = divided(angles, longestPanel(Math.sqrt(terms * (terms + d - 2))));
  const size = PANEL.nodes.length;
  const count = (ends.length - 1) * size;
  const [z, weights, rest] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  let total = 0;
  for (let i = 0, at = 0; i + 1 < ends.length; i++) {
    const half = (ends[i + 1] - ends[i]) / 2;
    for (let k = 0; k < size; k++, at++) {
      const angle = ends[i] + half * (1 + PANEL.nodes[k]);
      const cos = Math.cos(angle);
      z[at] = radius * Math.sin(angle);
      rest[at] = cos * cos;
      weights[at] = half * PANEL.weights[k] * cos ** (d - 2);
      total += weights[at];
    }
  }
  for (let at = 0; at < count; at++) weights[at] /= total;
  return { z, weights, rest, polynomials: polynomialsAt(z, d, terms) };
}

/** Ends of panels of which none is longer than so much. */
function divided(ends: Float64Array, longest: number): number[] {
  const result = [ends[0]];
  for (let i = 1; i < ends.length; i++) {
    const parts = Math.ceil((ends[i] - ends[i - 1]) / longest);
    for (let k = 1; k <= parts; k++) result.push(ends[i - 1] + ((ends[i] - ends[i - 1]) * k) / parts);
  }
  return result;
}

function polynomialsAt(z: Float64Array, d: number, terms: number): Float64Array {
  const steps = orthonormalSteps(d, terms + 1);
  const polynomials = new Float64Array(z.length * (terms + 1));
  const radius = Math.sqrt(d);
  for (const [p, at] of z.entries()) {
    const t = at / radius;
    let [before, value] = [0, 1];
    for (let n = 0; n <= terms; n++) {
      polynomials[p * (terms + 1) + n] = value;
      [before, value] = [value, (t * value - steps[n] * before) / steps[n + 1]];
    }
  }
  return polynomials;
}
