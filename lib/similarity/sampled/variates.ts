import { productKindsOf, refusal } from '../../backend/task.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { largest } from '../../extremes.js';
import { hiddenOf, type LayerOf, partsOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { isInRange, timesPower } from '../../tensor/power.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { LawOfInputs } from '../law/onehot.js';
import { STREAMS, type Whitening } from './draws.js';
import type { Ensemble } from './ensemble.js';
import { expectedProducts } from './expected.js';
import { fitHead } from './fit.js';
import { FRAME_DIMENSIONS } from './frames.js';
import { controlOf, type SampleSettings } from './settings.js';
import {
  cutMember,
  type Head,
  keptLayers,
  type Surrogate,
  type Surrogates,
  surrogateMember,
  widthBehind,
} from './surrogate.js';

/** Inputs that a head is fitted to, per feature and at least: the fit is then an eighth worse than it could be. */
const PER_FEATURE = 8;
const FEWEST = 1024;
/** The heads of wider blocks take longer to fit than they save. */
const WIDEST = 1024;
/** Numbers that the inputs of a fit, and what models make of them, may be. */
const MOST_NUMBERS = 2 ** 23;
/** A surrogate that leaves more of the variance of a model saves nothing. */
const MOST_LEFT = 0.5;
/** What of the samples is hoped to be saved before anything is known. */
const HOPE = 0.7;
/** Multiply-adds of a kernel of two units beside the product of their weights. */
const KERNEL = 40;
/** What an operation above the backends costs in those of a forward pass. */
const ABOVE = 8;

/** What a sample costs, in multiply-adds of forward passes: drawn, and evaluated by all models and by all surrogates. */
export interface SampleCost {
  readonly drawn: number;
  readonly models: number;
  readonly surrogates: number;
}

interface Plan {
  readonly kept: readonly (number | 'self' | null)[];
  readonly cost: SampleCost;
  /** Of everything that is done once. */
  readonly once: number;
}

/** What surrogates of these models would cost; null where no model has one, or the backend cannot tell what they are. */
function planOf(ensemble: Ensemble, dimension: number, { backend }: SampleSettings): Plan | null {
  const outlines = ensemble.members.map(({ outline }) => outline);
  const kept = outlines.map(({ layers }) => keptLayers(layers));
  if (!kept.some((one) => typeof one === 'number')) return null;
  const [positions] = outlines[0].inputShape;
  const { outputs } = ensemble;
  const drawn = ABOVE * dimension * (8 + (dimension <= FRAME_DIMENSIONS ? dimension : 0));
  let [models, surrogates, once] = [0, 0, 0];
  const sizes: { readonly hidden: number; readonly inputs: number }[] = [];
  for (const [m, { layers, inputShape }] of outlines.entries()) {
    const own = kept[m];
    const all = positions * multiplications(layers);
    models += all;
    if (own === null) continue;
    const first = own === 'self' ? layers : layers.slice(0, own);
    sizes.push({ hidden: largest(first.map(hiddenOf), 0), inputs: inputShape[1] });
    if (own === 'self') continue;
    const width = widthBehind(layers, own);
    if (width > WIDEST) return null;
    const cut = positions * multiplications(first);
    surrogates += cut + positions * width * outputs;
    const inputs = inputsOfFit(width, positions);
    if (inputs * Math.max(dimension, positions * (width + outputs)) > MOST_NUMBERS) return null;
    once += inputs * (drawn + all + cut + positions * (width + outputs) ** 2) + ABOVE * width ** 3;
  }
  for (const a of sizes) {
    for (const b of sizes) once += (a.hidden * b.hidden * (Math.min(a.inputs, b.inputs) + outputs + KERNEL)) / 2;
  }
  const needed = outlines
    .filter((_, m) => kept[m] !== null)
    .map(({ layers }, i) => {
      const own = kept.filter((one) => one !== null)[i];
      return { layers: own === 'self' ? layers : layers.slice(0, own as number) };
    });
  const kinds = new Set([...productKindsOf(needed), 'linear']);
  if (refusal(backend, { grams: { method: 'hidden', kinds, dtype: 'float64' } }) !== null) return null;
  return { kept, cost: { drawn, models, surrogates }, once };
}

const inputsOfFit = (width: number, positions: number) => Math.ceil(Math.max(FEWEST, PER_FEATURE * width) / positions);

function multiplications(layers: readonly LayerOf<ShapeOnly>[]): number {
  return layers.reduce((sum, layer) => {
    return partsOf(layer).reduce((all, [, { shape }]) => all + sizeOf(shape), sum);
  }, 0);
}

/**
 * Surrogates for the models of an ensemble that have them, fitted on inputs of their own, where what they are expected to
 * save of `samples` is worth their making; null: there are none.
 */
export async function openSurrogates(
  ensemble: Ensemble,
  whitening: Whitening,
  law: LawOfInputs,
  settings: SampleSettings,
  samples: number,
): Promise<{ readonly surrogates: Surrogates; readonly cost: SampleCost } | null> {
  const plan = planOf(ensemble, whitening.dimension, settings);
  if (plan === null) return null;
  const { kept, cost, once } = plan;
  if (once > HOPE * samples * (cost.drawn + cost.models)) return null;
  const of: Surrogate[] = [];
  for (const [m, own] of kept.entries()) {
    if (typeof own !== 'number') of.push(own);
    else {
      const head = await headOf(ensemble, m, own, whitening, settings);
      if (head === null) return null;
      of.push(head);
    }
  }
  const places = of.flatMap((surrogate, m) => (surrogate === null ? [] : [m]));
  const members = places.map((m) => surrogateMember(ensemble.members[m], of[m] as Head | 'self'));
  // The limit is for all that is prepared at a time.
  if (settings.memoryLimit !== undefined) ensemble.release();
  try {
    const expected = await expectedProducts(members, places, of.length, law, settings);
    return expected && { surrogates: { of, ...expected }, cost };
  } catch (error) {
    // What cannot be told of the surrogates, samples tell of the models.
    if (error instanceof TensimError) return null;
    throw error;
  }
}

/** The head of one model; null where it would tell too little, or its numbers leave the range. */
async function headOf(
  ensemble: Ensemble,
  m: number,
  kept: number,
  whitening: Whitening,
  settings: SampleSettings,
): Promise<Head | null> {
  const { backend, seed, dtype, signal } = settings;
  const { dimension } = whitening;
  const control = controlOf(settings);
  const pacer = new Pacer(signal);
  const { outputs, positions } = ensemble;
  const member = ensemble.members[m];
  const width = widthBehind(member.outline.layers, kept);
  const count = inputsOfFit(width, positions);
  const z = await backend.normals.draw({ seed, stream: STREAMS.fit, dimension }, 0, count, control);
  const inputs = await whitening.inputsOf(z, control);
  const before = ensemble.beside(cutMember(member, kept, null));
  try {
    const features = await before.evaluate(inputs, control);
    const values = await ensemble.evaluate(m, inputs, control);
    const samples = count * positions;
    const rows = new Float64Array((width + outputs) * samples);
    for (let s = 0; s < samples; s++) {
      for (let i = 0; i < width; i++) rows[i * samples + s] = features[s * width + i];
      for (let c = 0; c < outputs; c++) rows[(width + c) * samples + s] = values[s * outputs + c];
      if (pacer.due(width + outputs)) await pacer.pause();
    }
    const { head, left } = await fitHead({ rows, width, outputs }, dtype, backend, control);
    if (!(left <= MOST_LEFT)) return null;
    const [from, to] = [before.exponent(), ensemble.exponent(m)];
    const inRange =
      head.weight.every((value) => isInRange(value, to - from)) && head.bias.every((value) => isInRange(value, to));
    if (!inRange) return null;
    return {
      weight: head.weight.map((value) => timesPower(value, to - from)),
      bias: head.bias.map((value) => timesPower(value, to)),
    };
  } finally {
    before.dispose();
  }
}

/** Fewer samples are worth what is more on each. */
const WORTH = 0.8;

/** Whether samples with surrogates are worth more than without, at a ratio of variances. */
export function surrogatesPay(varianceRatio: number, { drawn, models, surrogates }: SampleCost): boolean {
  return varianceRatio * (1 + surrogates / (drawn + models)) < WORTH;
}
