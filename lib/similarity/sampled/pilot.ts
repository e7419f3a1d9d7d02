import { Pacer } from '../../cooperate.js';
import { streamKey, threefry } from '../../gaussian/threefry.js';
import type { TensorData } from '../../tensor/tensor.js';
import { Chains, type Target } from './chains.js';
import type { Directions } from './components.js';
import { STREAMS, type Whitening } from './draws.js';
import { difference, type Ensemble } from './ensemble.js';
import { innerProducts } from './inner_products.js';
import { logRatios, spreadDirections, stretchAlong } from './principal.js';
import { createProposal } from './proposal.js';
import { controlOf, type SampleSettings } from './settings.js';
import { CANDIDATES, CHAINS, COOLING, PHASES, PILOT_MODELS, ROUNDS } from './sizes.js';

const COOLING_STEPS = 4;
/**
 * Starts are chosen by this power of their masses: else the farthest candidate would be the start of all chains, and
 * other tails be missed.
 */
const FLATTENED = 0.25;
/** The law that chains begin with is so many times as wide. */
const HOTTEST = 2;
/** A phase that is to tell smaller variances from noise. */
const LONG = 150;
/** Chains are looked at every so many rounds. */
const LOOK_EVERY = 4;
/** Numbers of all looks of a phase: a decomposition of more would take longer than the evaluations. */
const MOST_NUMBERS = 2 ** 22;
/** What the further phase costs, in samples. */
export const FURTHER_SAMPLES = CHAINS * LONG;
/**
 * Points are evaluated so many numbers at a time, if that are not too few points: arrays that are larger come as fresh
 * pages every time, which costs as much as a small model.
 */
const NUMBERS_AT_ONCE = 2 ** 20;
const LEAST_AT_ONCE = 64;

/** What chains have found so far; null where no direction stands out. */
export interface Pilot {
  readonly directions: Directions | null;
  /** Directions from so many more looks that smaller variances can be told from noise. */
  further(): Promise<Directions | null>;
}

/**
 * The directions of the input along which models have their weight beyond where N(0, I) falls (MATH.md section 8):
 * those of points drawn from |f|² times the density itself, by Markov chains that begin under a wider law, where the
 * highest degrees drown everything else, and cool down. A tail that hardly any sample would meet holds the chains that
 * were caught in it. Chains are shared out among models, their outputs weighed alike, and for two models the
 * difference.
 */
export async function openPilot(
  ensemble: Ensemble,
  whitening: Whitening,
  degree: number,
  settings: SampleSettings,
): Promise<Pilot> {
  const { backend, seed, signal } = settings;
  const { dimension } = whitening;
  const control = controlOf(settings);
  const pacer = new Pacer(signal);
  const normals = (round: number, stream: number) =>
    backend.normals.draw({ seed, stream, dimension }, round * CHAINS, CHAINS, control);
  const functions = new Functions(ensemble);
  const atOnce = Math.max(
    LEAST_AT_ONCE,
    Math.floor(NUMBERS_AT_ONCE / Math.max(dimension, ensemble.positions * ensemble.outputs)),
  );
  /** |f(temperature · u)|² of every function and point. */
  const squaresAt = (temperature: number) => async (u: Float64Array) => {
    const squares = new Float64Array(CHAINS * functions.count);
    // What outputs are measured by comes from all points.
    const most = functions.measured ? Math.min(atOnce, CHAINS) : CHAINS;
    for (let first = 0; first < CHAINS; first += most) {
      const count = Math.min(most, CHAINS - first);
      const part = u.subarray(first * dimension, (first + count) * dimension);
      const inputs = await whitening.inputsOf(temperature === 1 ? part : part.map((x) => temperature * x), control);
      const outputs: TensorData[] = [];
      for (const m of functions.models) outputs.push(await ensemble.evaluate(m, inputs, control));
      squares.set(await functions.squares(outputs, count, pacer), first * functions.count);
    }
    return squares;
  };

  const wide = createProposal({ dimension, degree, directions: null });
  const proposed: Float64Array[] = [];
  const masses: Float64Array[] = [];
  for (let batch = 0; batch < CANDIDATES; batch++) {
    const z = await normals(batch, STREAMS.candidates);
    const extra = await backend.normals.draw(
      { seed, stream: STREAMS.further, dimension: Math.max(1, wide.extra) },
      batch * CHAINS,
      CHAINS,
      control,
    );
    const weights = await wide.stretch(z, extra, pacer);
    const squares = await squaresAt(HOTTEST)(z);
    proposed.push(z);
    masses.push(squares.map((square, i) => (finite(square) * weights[Math.floor(i / functions.count)]) ** FLATTENED));
  }
  const start = chosen(proposed, masses, functions.count, dimension, seed);
  if (start === null) return { directions: null, further: async () => null };

  /**
   * |f|² at `temperature` times the point, times N(0, I), as chains see it that move along a law which is stretched
   * already.
   */
  const target = (temperature: number, along: Directions | null): Target => ({
    logLikelihood: async (u) => {
      const squares = await squaresAt(temperature)(u);
      const ratios = along === null ? null : await logRatios(u, along, dimension, pacer);
      return Float64Array.from({ length: CHAINS }, (_, c) => {
        return (
          Math.log(finite(squares[c * functions.count + (c % functions.count)])) + (ratios === null ? 0 : ratios[c])
        );
      });
    },
    normals: async (round) => {
      const z = await normals(round, STREAMS.chains);
      if (along !== null) await stretchAlong(z, along, dimension, pacer);
      return z;
    },
  });
  const fitted = (looks: readonly Float64Array[], effective: number) => {
    const points = new Float64Array(looks.length * CHAINS * dimension);
    for (const [i, look] of looks.entries()) points.set(look, i * CHAINS * dimension);
    const products = (rows: Float64Array, count: number) => innerProducts(rows, count, backend, control);
    return spreadDirections(points, dimension, { effective, most: 2 * degree + 1, products }, pacer);
  };
  const settingsOfChains = { dimension, seed, stream: STREAMS.decisions, signal };
  const chains = await Chains.open(start, target(HOTTEST, null), settingsOfChains);
  for (let step = 1; step <= COOLING_STEPS; step++) {
    await chains.aim(target(HOTTEST ** (1 - step / COOLING_STEPS), null));
    for (let round = 1; round < COOLING / COOLING_STEPS; round++) await chains.round();
  }
  let found = await fitted([chains.points], CHAINS / 2);
  const phase = async (rounds: number) => {
    await chains.aim(target(1, found));
    const looks: Float64Array[] = [];
    const every = Math.max(LOOK_EVERY, Math.ceil((rounds * CHAINS * dimension) / MOST_NUMBERS));
    for (let round = 1; round <= rounds; round++) {
      await chains.round();
      if (round % every === 0) looks.push(chains.points.slice());
    }
    // Looks at a chain are not independent of each other.
    found = await fitted(looks, (CHAINS * looks.length) / 2);
    return found;
  };
  for (let number = 0; number < PHASES; number++) await phase(ROUNDS);
  return { directions: found, further: () => phase(LONG) };
}

/** What chains are drawn to: squares of functions made of the outputs of models. */
class Functions {
  readonly models: readonly number[];
  /** Of every point so many squares. */
  readonly count: number;
  readonly #width: number;
  readonly #outputs: number;
  readonly #perModel: number;
  readonly #exponent: Ensemble['exponent'];
  /**
   * Mean squares of every output under the first points, that it is measured by; of models, and of their difference.
   */
  #means: Float64Array[] | undefined;
  #difference: Float64Array | undefined;

  constructor({ count, positions, outputs, exponent }: Ensemble) {
    this.#exponent = exponent;
    this.models = spread(count, PILOT_MODELS);
    this.#width = positions * outputs;
    this.#outputs = outputs;
    this.#perModel = outputs === 1 ? 1 : 2;
    this.count = this.#perModel * (this.models.length + (count === 2 ? 1 : 0));
  }

  /** Whether it is known what outputs are measured by. */
  get measured(): boolean {
    return this.#means !== undefined;
  }

  /**
   * (points, count): the squared norm of each model, and with every output divided by its mean, and the same for the
   * difference of two.
   */
  async squares(outputs: readonly TensorData[], points: number, pacer: Pacer): Promise<Float64Array> {
    // Differences are made anew at every call, in one place.
    const all = [...outputs];
    if (outputs.length * this.#perModel < this.count) all.push(this.#change(outputs[0], outputs[1]));
    if (this.#means === undefined) {
      this.#means = [];
      for (const values of all) this.#means.push(await meanSquares(values, this.#outputs, points, pacer));
    }
    const squares = new Float64Array(points * this.count);
    for (const [f, values] of all.entries()) {
      const means = this.#means[f];
      for (let s = 0; s < points; s++) {
        const place = s * this.count + f * this.#perModel;
        addSquares(values, s * this.#width, this.#width, means, squares, place, this.#perModel === 2);
        if (pacer.due(2 * this.#width)) await pacer.pause();
      }
    }
    return squares;
  }

  /** What the outputs of two models differ by, in units of the larger power; of the last call only. */
  #change(a: TensorData, b: TensorData): Float64Array {
    if (this.#difference?.length !== a.length) this.#difference = new Float64Array(a.length);
    return difference(a, b, this.#exponent(0), this.#exponent(1), this.#difference);
  }
}

/** Of every output, over its points. */
async function meanSquares(values: TensorData, outputs: number, points: number, pacer: Pacer): Promise<Float64Array> {
  const means = new Float64Array(outputs);
  for (let at = 0; at < values.length; at += outputs) {
    for (let c = 0; c < outputs; c++) means[c] += values[at + c] ** 2 / points;
    if (pacer.due(outputs)) await pacer.pause();
  }
  return means;
}

/** The squared norm of what begins at `from`, and where `balanced` says so, that with every output divided by its mean. */
function addSquares(
  values: TensorData,
  from: number,
  width: number,
  means: Float64Array,
  squares: Float64Array,
  place: number,
  balanced: boolean,
): void {
  let [total, weighed] = [0, 0];
  for (let at = from, end = from + width; at < end; ) {
    for (let c = 0; c < means.length; c++, at++) {
      const square = values[at] * values[at];
      total += square;
      if (means[c] > 0) weighed += square / means[c];
    }
  }
  squares[place] = total;
  if (balanced) squares[place + 1] = weighed;
}

/** For every chain a candidate, chosen by the mass of the chain's function; null if all have none. */
function chosen(
  proposed: readonly Float64Array[],
  masses: readonly Float64Array[],
  functions: number,
  dimension: number,
  seed: number,
): Float64Array | null {
  const start = new Float64Array(CHAINS * dimension);
  const words = new Uint32Array(2);
  let last: Float64Array | null = null;
  for (let c = 0; c < CHAINS; c++) {
    const f = c % functions;
    let total = 0;
    for (const mass of masses) for (let s = 0; s < CHAINS; s++) total += finite(mass[s * functions + f]);
    threefry(c, 0, ...streamKey(seed, STREAMS.decisions), words);
    let left = (words[0] / 2 ** 32) * total;
    let found: Float64Array | null = null;
    for (let b = 0; b < masses.length && found === null; b++) {
      for (let s = 0; s < CHAINS; s++) {
        const mass = finite(masses[b][s * functions + f]);
        left -= mass;
        if (mass > 0 && left < 0) {
          found = proposed[b].subarray(s * dimension, (s + 1) * dimension);
          break;
        }
      }
    }
    // A function that is zero, as the difference of equal models, has chains of its neighbours.
    found ??= last;
    if (found === null) continue;
    start.set(found, c * dimension);
    last = found;
  }
  return last === null ? null : start;
}

const finite = (value: number) => (Number.isFinite(value) ? value : 0);

/** At most `most` of the numbers below `count`, the first and the last among them. */
function spread(count: number, most: number): readonly number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}
