import type { Span } from '../../model/transformers/pieces.js';
import type { Circuits } from '../parts/circuits.js';
import type { Affine } from '../parts/reader.js';
import type { Products } from '../products.js';
import { planesOf } from './planes.js';
import { meanOfScores, productOfParts } from './products.js';
import { offsetMeans } from './window.js';

/** A Bᵀ of matrices with rows of one length. */
export type RowProducts = Products['rows'];

interface HeadSettings {
  readonly d: number;
  readonly window: number;
  readonly multiply: RowProducts;
}

/** Inner products of the heads of one layer with those of another. */
export interface HeadProducts {
  /** E score·score', (heads, heads'), mean over the window of offsets; scores are not divided by √width. */
  readonly scores: Float64Array;
  /** ⟨W_O W_V, W_O' W_V'⟩ without the means of the values, (heads, heads'). */
  readonly values: Float64Array;
  /** E of what both layers give where every head attends to one position: ⟨Σ OV, Σ OV'⟩, without constants. */
  readonly sum: number;
}

/** Inner products of a layer with itself: of heads, (heads). */
export interface OwnProducts extends HeadProducts {
  /** What it gives whatever it attends to: Σ_h W_O W_V's means and the output's bias, (d). */
  readonly constant: Float64Array;
}

/** Numbers of a matrix that are in memory at a time, but for one head. */
const AT_ONCE = 1 << 19;

/**
 * The same of the first layer, whose every part meets all of the other: the fewer parts, the less often that is read. Of
 * large layers an eighth, as others take more memory too.
 */
const ofFirst = ({ heads, width }: Circuits, d: number): number => Math.max(2 * AT_ONCE, (heads * width * d) / 8);

/** Some heads of a layer with the groups that they share, in numbers. */
interface Part {
  readonly circuits: Circuits;
  readonly heads: Span;
  readonly groups: Span;
  readonly query: Affine;
  readonly key: Affine;
  readonly value: Affine;
  readonly output: Float64Array;
}

/**
 * Compares the circuits of two attention layers, head by head, under z ~ N(0, I), z being what queries, keys and values
 * are maps of (MATH.md section 13). Without a rotary embedding, keys are centred: what depends on the query alone the
 * softmax does not see. Some heads of each are in memory at a time.
 * @param d width of the residual stream
 * @param window offsets between query and key: 0 … window − 1 positions back
 */
export async function headProducts(
  f: Circuits,
  g: Circuits,
  d: number,
  window: number,
  multiply: RowProducts,
): Promise<HeadProducts> {
  const settings = { d, window, multiply };
  const found = { scores: new Float64Array(f.heads * g.heads), values: new Float64Array(f.heads * g.heads) };
  const compared = pairing(f, g, settings);
  for (const one of spansOf(f, settings, ofFirst(f, d))) {
    const own = await partOf(f, one);
    for (const two of spansOf(g, settings)) {
      const other = await partOf(g, two);
      const pairs = pairsOf(one, two);
      await compared(own, other, pairs, (h, k, score, value) => {
        found.scores[h * g.heads + k] = score;
        found.values[h * g.heads + k] = value;
      });
      letGo(other);
    }
    letGo(own);
  }
  const sum = found.values.reduce((total, value) => total + value, 0);
  return { ...found, sum };
}

/** Of a layer with itself: what every head has with itself, (heads), and their sum. */
export async function ownProducts(f: Circuits, d: number, window: number, multiply: RowProducts): Promise<OwnProducts> {
  const settings = { d, window, multiply };
  const found = { scores: new Float64Array(f.heads), values: new Float64Array(f.heads) };
  const compared = pairing(f, f, settings);
  for (const span of spansOf(f, settings)) {
    const own = await partOf(f, span);
    await compared(own, own, selvesOf(span), (h, _, score, value) => {
      found.scores[h] = score;
      found.values[h] = value;
    });
    letGo(own);
  }
  const constant = await constantOf(f, settings);
  return { ...found, sum: await sumOf(f, settings), constant };
}

/**
 * ‖Σ_h W_O W_V‖²: heads that share a value are added up first, so that there are no more products than pairs of groups.
 */
async function sumOf(f: Circuits, settings: HeadSettings): Promise<number> {
  const { d, multiply } = settings;
  const read = async (groups: Span) => ({
    value: await f.value(groups),
    output: await outputsOf(f, groups, d),
  });
  const spans = [...spansOf({ ...f, heads: f.groups }, settings)];
  let total = 0;
  for (const [at, span] of spans.entries()) {
    const own = await read(span);
    for (const later of spans.slice(at)) {
      const other = later === span ? own : await read(later);
      const [outputs, values] = [
        await multiply(own.output, other.output, d),
        await products(own.value, other.value, inputsOf(own.value, f, span), multiply, false),
      ];
      const whole = dot(outputs, values);
      total += later === span ? whole : 2 * whole;
      if (later !== span) f.done([other.value.weight, other.output]);
    }
    f.done([own.value.weight, own.output]);
  }
  return total;
}

/** Σ W_Oᵀ of the heads of each of some groups, (groups · width, d). */
async function outputsOf(f: Circuits, groups: Span, d: number): Promise<Float64Array> {
  const size = f.heads / f.groups;
  if (size === 1) return f.output(groups);
  const sums = new Float64Array((groups.to - groups.from) * f.width * d);
  for (let group = groups.from; group < groups.to; group++)
    for (let head = group * size; head < (group + 1) * size; head++) {
      const own = await f.output({ from: head, to: head + 1 });
      const at = (group - groups.from) * f.width * d;
      for (let i = 0; i < own.length; i++) sums[at + i] += own[i];
      f.done([own]);
    }
  return sums;
}

/** Heads of a layer in pieces of which each takes little memory. */
function* spansOf(
  { heads, width }: Pick<Circuits, 'heads' | 'width'>,
  { d }: HeadSettings,
  numbers = AT_ONCE,
): Generator<Span> {
  const step = Math.max(1, Math.floor(numbers / (width * d)));
  for (let from = 0; from < heads; from += step) yield { from, to: Math.min(heads, from + step) };
}

async function partOf(circuits: Circuits, heads: Span): Promise<Part> {
  const groups = { from: groupOf(heads.from, circuits), to: groupOf(heads.to - 1, circuits) + 1 };
  const query = await circuits.query(heads);
  const key = await circuits.key(groups);
  const value = await circuits.value(groups);
  return { circuits, heads, groups, query, key, value, output: await circuits.output(heads) };
}

/** What a map has columns: inputs of whole features, or of a law that does not reach all of them. */
const inputsOf = ({ weight }: Affine, { width }: Circuits, { from, to }: Span): number =>
  weight.length / ((to - from) * width);

const selvesOf = ({ from, to }: Span): [number, number][] =>
  Array.from({ length: to - from }, (_, i) => [from + i, from + i]);

const letGo = ({ circuits, query, key, value, output }: Part): void =>
  circuits.done([query.weight, key.weight, value.weight, output]);

function pairsOf(one: Span, two: Span): [number, number][] {
  const pairs: [number, number][] = [];
  for (let h = one.from; h < one.to; h++) for (let k = two.from; k < two.to; k++) pairs.push([h, k]);
  return pairs;
}

/** Compares pairs of heads of two layers that are in memory. */
function pairing(f: Circuits, g: Circuits, { d, window, multiply }: HeadSettings) {
  const turns = f.rotation !== null || g.rotation !== null;
  const planes = [planesOf(f.width, f.rotation), planesOf(g.width, g.rotation)] as const;
  const means = offsetMeans(planes[0].angles, planes[1].angles, window);
  return async (
    one: Part,
    two: Part,
    pairs: readonly (readonly [number, number])[],
    put: (h: number, k: number, score: number, value: number) => void,
  ) => {
    const inputs = inputsOf(one.value, f, one.groups);
    const queries = await products(one.query, two.query, inputs, multiply, true);
    const keys = await products(one.key, two.key, inputs, multiply, turns);
    const values = await products(one.value, two.value, inputs, multiply, false);
    const outputs = await multiply(one.output, two.output, d);
    const place = (data: Float64Array, own: number, other: number, columns: number) => ({
      data,
      at: own * f.width * columns * g.width + other * g.width,
      stride: columns * g.width,
    });
    for (const [h, k] of pairs) {
      const [own, other] = [groupOf(h, f) - one.groups.from, groupOf(k, g) - two.groups.from];
      const shared = (data: Float64Array) => place(data, own, other, two.groups.to - two.groups.from);
      const whole = (data: Float64Array) =>
        place(data, h - one.heads.from, k - two.heads.from, two.heads.to - two.heads.from);
      const score = meanOfScores(whole(queries), shared(keys), ...planes, means);
      put(h, k, score, productOfParts(whole(outputs), shared(values), f.width, g.width));
    }
  };
}

const groupOf = (head: number, { heads, groups }: Circuits): number => Math.floor((head * groups) / heads);

/** W W'ᵀ, and with the means b b'ᵀ. */
async function products(f: Affine, g: Affine, d: number, multiply: RowProducts, means: boolean): Promise<Float64Array> {
  const found = await multiply(f.weight, g.weight, d);
  if (!means || f.bias === null || g.bias === null) return found;
  const columns = g.bias.length;
  for (let i = 0; i < f.bias.length; i++)
    for (let j = 0; j < columns; j++) found[i * columns + j] += f.bias[i] * g.bias[j];
  return found;
}

/** Σ_h W_O (the value's mean) and the output's bias, (d). */
async function constantOf(circuits: Circuits, settings: HeadSettings): Promise<Float64Array> {
  const { d } = settings;
  const { width, outputBias } = circuits;
  const constant = outputBias === null ? new Float64Array(d) : outputBias.slice();
  for (const heads of spansOf(circuits, settings)) {
    const groups = { from: groupOf(heads.from, circuits), to: groupOf(heads.to - 1, circuits) + 1 };
    const { bias } = await circuits.value(groups);
    if (bias === null) return constant;
    const output = await circuits.output(heads);
    for (let h = heads.from; h < heads.to; h++)
      for (let i = 0; i < width; i++) {
        const mean = bias[(groupOf(h, circuits) - groups.from) * width + i];
        const at = ((h - heads.from) * width + i) * d;
        for (let j = 0; j < d; j++) constant[j] += mean * output[at + j];
      }
  }
  return constant;
}

/** a·b. */
export const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i], 0);
