import type { Pacer } from '../../cooperate.js';
import { largest } from '../../extremes.js';
import { type Component, type Directions, PLAIN, peaked, shell, stretched } from './components.js';
import { FEW_DIMENSIONS } from './sizes.js';

/** Samples after which the components of a proposal repeat. */
export const PERIOD = 16;

/**
 * The mixture that inputs are drawn from (MATH.md section 8): N(0, I), shells that reach to where |f|² times the
 * density has its peak for the degree of the models, |z|² ≈ 2k + d, and laws stretched along the directions that a
 * pilot found. Which component a sample belongs to depends on its number alone, so that each has its exact share.
 */
export interface Proposal {
  /** Normal numbers that every sample takes beside those of z. */
  readonly extra: number;
  /** The number of the component of every sample of a period. */
  readonly order: readonly number[];
  /**
   * Turns rows of z, standard normal numbers, into samples of the mixture in place, with `extra` further ones for each;
   * the number of rows is a multiple of `PERIOD`. Only operations that IEEE 754 rounds correctly touch z: it is the
   * same on every backend.
   * @returns N(z; 0, I) / mixture for every row, at most one divided by the share of N(0, I); 0 for rows too far out to
   * matter.
   */
  stretch(z: Float64Array, extra: Float64Array, pacer: Pacer): Promise<Float64Array>;
}

/** Samples of the shells in few dimensions, where they find every tail, and in many, where they tell of tails. */
const SHELLS = { few: 10, many: 3 } as const;
/** Radii of neighbouring shells differ by so much: some three of their standard deviations. */
const STEP = 2.2;
const MOST_SHELLS = 7;
/** Samples of the laws that the pilot's directions are for. */
const STRETCHED = 6;
const PEAKED = 2;

export interface ProposalShape {
  readonly dimension: number;
  /** Of the models as polynomials of z. */
  readonly degree: number;
  /** What a pilot found. */
  readonly directions: Directions | null;
}

export function createProposal({ dimension, degree, directions }: ProposalShape): Proposal {
  const exponents = shellExponents(dimension, degree);
  const samples = dimension <= FEW_DIMENSIONS ? SHELLS.few : Math.max(SHELLS.many, exponents.length);
  const parts = exponents.map((exponent, i) => ({
    share: Math.floor((samples + i) / exponents.length),
    component: shell(dimension, exponent),
  }));
  if (directions !== null) {
    parts.push({ share: STRETCHED, component: stretched(directions.variances) });
    parts.push({ share: PEAKED, component: peaked(directions.variances) });
  }
  const rest = PERIOD - parts.reduce((sum, { share }) => sum + share, 0);
  parts.unshift({ share: rest, component: PLAIN });
  return mixtureOf(parts, directions, dimension, reachOf(dimension, degree) ** 2);
}

/** 2κ for shells of laws |z|^2κ N(0, I), whose |z|² is about d + 2κ, up to the degree of the models. */
export function shellExponents(dimension: number, degree: number): number[] {
  const near = Math.sqrt(dimension);
  const far = Math.sqrt(dimension + 2 * degree);
  const count = Math.min(MOST_SHELLS, Math.ceil((far - near) / STEP));
  return Array.from({ length: count }, (_, i) => {
    return Math.round((near + ((far - near) * (i + 1)) / count) ** 2) - dimension;
  });
}

/**
 * Beyond this |z| no polynomial of the degree has more than 10⁻¹³ of its norm: the last zero of Hermite's is below 2√k,
 * and then the density falls.
 */
function reachOf(dimension: number, degree: number): number {
  return 2 * Math.sqrt(degree) + Math.sqrt(dimension) + 8;
}

interface Part {
  readonly share: number;
  readonly component: Component;
}

function mixtureOf(parts: readonly Part[], directions: Directions | null, dimension: number, most: number): Proposal {
  const basis = directions?.basis ?? new Float64Array(0);
  const rank = basis.length / dimension;
  const order = interleaved(parts.map(({ share }) => share));
  const width = largest(parts.map(({ component }) => component.extra));
  const [y, added] = [new Float64Array(rank), new Float64Array(rank)];
  return {
    extra: width,
    order,
    async stretch(z, extra, pacer) {
      const samples = z.length / dimension;
      const weights = new Float64Array(samples);
      for (let s = 0; s < samples; s++) {
        const at = s * dimension;
        const { component } = parts[order[s % PERIOD]];
        let square = 0;
        for (let i = 0; i < dimension; i++) square += z[at + i] * z[at + i];
        for (let k = 0; k < rank; k++) {
          y[k] = 0;
          for (let i = 0; i < dimension; i++) y[k] += basis[k * dimension + i] * z[at + i];
        }
        let more = 0;
        for (let i = s * width; i < s * width + component.extra; i++) more += extra[i] * extra[i];
        added.set(y);
        const scale = component.move(y, square, more);
        if (scale !== 1) for (let i = 0; i < dimension; i++) z[at + i] *= scale;
        for (let k = 0; k < rank; k++) {
          const step = y[k] - scale * added[k];
          if (step !== 0) for (let i = 0; i < dimension; i++) z[at + i] += step * basis[k * dimension + i];
        }
        square = 0;
        for (let i = 0; i < dimension; i++) square += z[at + i] * z[at + i];
        if (square <= most) {
          let density = 0;
          for (const part of parts) density += (part.share / PERIOD) * Math.exp(part.component.logRatio(y, square));
          weights[s] = 1 / density;
        } else {
          // Evaluated there, models might leave the range of numbers.
          z.fill(0, at, at + dimension);
        }
        if (pacer.due((3 * rank + 3) * dimension + width + 32 * parts.length)) await pacer.pause();
      }
      return weights;
    },
  };
}

/** Numbers of components, each as often as its share says, spread evenly over a period. */
function interleaved(shares: readonly number[]): number[] {
  const due = shares.map(() => 0);
  return Array.from({ length: PERIOD }, () => {
    for (const [c, share] of shares.entries()) due[c] += share;
    const next = due.indexOf(largest(due));
    due[next] -= PERIOD;
    return next;
  });
}
