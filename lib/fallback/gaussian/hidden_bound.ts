/*
 * What Hermite series leave out, bounded before anything is summed (MATH.md sections 10 and 11). With the tails
 * T(N)² = Σ_{n>N} a_n² of the coefficients, P = T^p(N) and Q = ‖U⊥‖ T^q(N−1), the terms of K_ij beyond degree N are by
 * Cauchy and Schwarz at most
 *
 *     r^{N+1} P P' + g₁ (P Q' + Q P') + (r^N + g₂) Q Q',       r = |ρ_ij|
 *     g₁ = sup_{n>N} √n r^{n−1},    g₂ = sup_{n>N} (n−1) r^{n−2}
 *
 * as |κ|, |κ'| and |ν| are at most the lengths of U⊥; hidden layers have no Q. Over a block of units the sums
 * Σ_i |D_ci| P_i take the place of P.
 */

/** Units of a block, along either side, whose series have the same length. */
export const BLOCK = 64;
/** The degrees at which series may end. */
export const DEGREES = [2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128] as const;
const LONGEST = DEGREES.length - 1;
/** Coefficients that are kept of a unit. */
export const SERIES = DEGREES[LONGEST] + 1;
/** Beyond this |ρ| the terms of long series still grow. */
const FARTHEST = 0.98;
/** Halvings of the interval in which the reach is sought. */
const HALVINGS = 40;

/** Σ_i |D_ci| P_i and Σ_i |D_ci| Q_i over the units of every block: (blocks, DEGREES, o), row-major. */
export interface Tails {
  readonly outputs: number;
  readonly blocks: number;
  readonly p: Float64Array;
  /** Of gated units; else null. */
  readonly q: Float64Array | null;
}

/**
 * T(N) for every N in DEGREES, of one row of coefficients. What is left beyond the last is known by E φ² (Parseval) but
 * for rounding, which is allowed for; a polynomial ends where its degree says.
 * @param shift the index of a coefficient is its degree less this.
 */
export function tailsOf(
  coefficients: Float64Array,
  energy: number,
  degree: number | null,
  shift: number,
  tails: Float64Array,
): void {
  let known = 0;
  for (const value of coefficients) known += value * value;
  let rest = degree !== null && degree < coefficients.length ? 0 : Math.max(0, energy - known) + ROUNDING * energy;
  let n = coefficients.length - 1;
  for (let l = LONGEST; l >= 0; l--) {
    for (; n > DEGREES[l] - shift; n--) rest += coefficients[n] ** 2;
    tails[l] = Math.sqrt(rest);
  }
}

/** What E φ² and the sum of squares may be off by, relative to E φ². */
const ROUNDING = 2 ** -46;

/** Adds the tails of one unit to those of its block. @param down D, (o, h), column `unit` of which is meant. */
export function addTails(
  table: Float64Array,
  { outputs }: Pick<Tails, 'outputs'>,
  tails: Float64Array,
  down: Float64Array,
  unit: number,
  hidden: number,
): void {
  const block = Math.floor(unit / BLOCK) * DEGREES.length * outputs;
  for (let c = 0; c < outputs; c++) {
    const weight = Math.abs(down[c * hidden + unit]);
    for (let l = 0, at = block + c; l < tails.length; l++, at += outputs) table[at] += weight * tails[l];
  }
}

/** How long series must be for a pair of models, and how far from ρ = 0 they serve. */
export class SeriesPlan {
  /** |ρ| up to which the longest series are good enough; entries beyond are for closed forms. */
  readonly reach: number;
  /** What the series chosen so far leave out, of each output. */
  readonly bounds: Float64Array;
  readonly #a: Tails;
  readonly #b: Tails;
  /** What a block may leave out, of each output. */
  readonly #limits: Float64Array;

  /** @param limits what all series together may leave out, of each output. */
  constructor(a: Tails, b: Tails, limits: Float64Array) {
    this.#a = a;
    this.#b = b;
    this.bounds = new Float64Array(a.outputs);
    this.#limits = limits.map((limit) => limit / 2 / Math.max(1, a.blocks * b.blocks));
    this.reach = this.#reachFor(limits);
  }

  /** Half of what may be left out is for blocks that need the longest series, half for all others. */
  #reachFor(limits: Float64Array): number {
    const [a, b] = [this.#a, this.#b].map(wholeTails);
    const serves = (rho: number) => {
      const factors = factorsAt(rho, DEGREES[LONGEST]);
      return limits.every((limit, c) => boundOf(factors, a, b, c, c) <= limit / 2);
    };
    if (serves(1)) return 1;
    let [near, far] = [0, FARTHEST];
    if (serves(far)) return far;
    for (let i = 0; i < HALVINGS; i++) {
      const middle = (near + far) / 2;
      if (serves(middle)) near = middle;
      else far = middle;
    }
    return near;
  }

  /**
   * The degree at which the series of a block of pairs of units end: the least that keeps to its limits.
   * @param farthest the largest |ρ| among those within reach.
   */
  degreeFor(blockA: number, blockB: number, farthest: number): number {
    const { outputs } = this.#a;
    const place = (block: number, length: number) => (block * DEGREES.length + length) * outputs;
    for (let l = 0; ; l++) {
      const factors = factorsAt(farthest, DEGREES[l]);
      const [atA, atB] = [place(blockA, l), place(blockB, l)];
      const bound = (c: number) => boundOf(factors, this.#a, this.#b, atA + c, atB + c);
      let c = 0;
      while (l < LONGEST && c < outputs && bound(c) <= this.#limits[c]) c++;
      if (l < LONGEST && c < outputs) continue;
      for (c = 0; c < outputs; c++) this.bounds[c] += bound(c);
      return DEGREES[l];
    }
  }
}

/** What the sums of tails are multiplied by: PP', PQ' + QP', QQ'. */
type Factors = readonly [pp: number, pq: number, qq: number];

function factorsAt(rho: number, degree: number): Factors {
  if (rho === 0) return [0, 0, 0];
  const falling = -Math.log(rho);
  const first = Math.max(degree + 1, 0.5 / falling);
  const second = Math.max(degree + 1, 1 + 1 / falling);
  return [
    rho ** (degree + 1),
    rho === 1 ? Number.POSITIVE_INFINITY : Math.sqrt(first) * rho ** (first - 1),
    rho === 1 ? Number.POSITIVE_INFINITY : rho ** degree + (second - 1) * rho ** (second - 2),
  ];
}

function boundOf([pp, pq, qq]: Factors, a: Tails, b: Tails, atA: number, atB: number): number {
  const [p, other] = [a.p[atA], b.p[atB]];
  const [q, otherQ] = [a.q === null ? 0 : a.q[atA], b.q === null ? 0 : b.q[atB]];
  return times(pp, p * other) + times(pq, p * otherQ + q * other) + times(qq, q * otherQ);
}

/** No tail is none, however its terms grow. */
const times = (factor: number, tails: number): number => (tails === 0 ? 0 : factor * tails);

/** The tails of the longest series of all blocks together, (o). */
function wholeTails({ outputs, blocks, p, q }: Tails): Tails {
  const sum = (table: Float64Array) => {
    const sums = new Float64Array(outputs);
    for (let block = 0; block < blocks; block++) {
      const at = (block * DEGREES.length + LONGEST) * outputs;
      for (let c = 0; c < outputs; c++) sums[c] += table[at + c];
    }
    return sums;
  };
  return { outputs, blocks: 1, p: sum(p), q: q && sum(q) };
}

/** Tails of so many units, all zero. */
export function emptyTails(hidden: number, outputs: number, gated: boolean): Tails {
  const blocks = Math.ceil(hidden / BLOCK);
  const size = blocks * DEGREES.length * outputs;
  return { outputs, blocks, p: new Float64Array(size), q: gated ? new Float64Array(size) : null };
}
