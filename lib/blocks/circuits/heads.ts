import type { Circuits } from '../parts/circuits.js';
import type { Affine } from '../parts/reader.js';
import type { Products } from '../products.js';
import { planesOf } from './planes.js';
import { meanOfScores, productOfParts } from './products.js';
import { offsetMeans } from './window.js';

/** A Bᵀ of matrices with rows of one length. */
export type RowProducts = Products['rows'];

/** Inner products of the heads of one layer with those of another. */
export interface HeadProducts {
  /** E score·score', (heads, heads'), mean over the window of offsets; scores are not divided by √width. */
  readonly scores: Float64Array;
  /** ⟨W_O W_V, W_O' W_V'⟩ without the means of the values, (heads, heads'). */
  readonly values: Float64Array;
  /** E of what both layers give where every head attends to one position: ⟨Σ OV, Σ OV'⟩, without constants. */
  readonly sum: number;
  /** The same of the constants: Σ_h W_O W_V's means and the output's bias. */
  readonly constants: number;
}

/**
 * Compares the circuits of two attention layers, head by head, under x ~ N(0, I) (MATH.md section 13). Without a rotary
 * embedding, keys are centred: what depends on the query alone the softmax does not see.
 * @param window offsets between query and key: 0 … window − 1 positions back
 */
export async function headProducts(
  f: Circuits,
  g: Circuits,
  d: number,
  window: number,
  multiply: RowProducts,
): Promise<HeadProducts> {
  const turns = f.rotation !== null || g.rotation !== null;
  const queries = await products(f.query, g.query, d, multiply, true);
  const keys = await products(f.key, g.key, d, multiply, turns);
  const values = await products(f.value, g.value, d, multiply, false);
  const outputs = await products(f.output, g.output, d, multiply, false);
  const planes = { f: planesOf(f.width, f.rotation), g: planesOf(g.width, g.rotation) };
  const means = offsetMeans(planes.f.angles, planes.g.angles, window);
  const found = { scores: new Float64Array(f.heads * g.heads), values: new Float64Array(f.heads * g.heads) };
  let sum = 0;
  for (let h = 0; h < f.heads; h++)
    for (let k = 0; k < g.heads; k++) {
      const place = (data: Float64Array, own: number, other: number, columns: number) => ({
        data,
        at: own * f.width * columns + other * g.width,
        stride: columns,
      });
      const shared = (data: Float64Array) => place(data, groupOf(h, f), groupOf(k, g), g.groups * g.width);
      const whole = (data: Float64Array) => place(data, h, k, g.heads * g.width);
      const at = h * g.heads + k;
      found.scores[at] = meanOfScores(whole(queries), shared(keys), planes.f, planes.g, means);
      found.values[at] = productOfParts(whole(outputs), shared(values), f.width, g.width);
      sum += found.values[at];
    }
  return { ...found, sum, constants: dot(constantOf(f, d), constantOf(g, d)) };
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
function constantOf(circuits: Circuits, d: number): Float64Array {
  const { heads, width, value, output } = circuits;
  const constant = output.bias === null ? new Float64Array(d) : output.bias.slice();
  if (value.bias === null) return constant;
  for (let h = 0; h < heads; h++)
    for (let i = 0; i < width; i++) {
      const mean = value.bias[groupOf(h, circuits) * width + i];
      const at = (h * width + i) * d;
      for (let j = 0; j < d; j++) constant[j] += mean * output.weight[at + j];
    }
  return constant;
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i], 0);
