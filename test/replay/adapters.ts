import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../support/random.js';
import type { Given } from '../support/transformers.js';
import { stored, writeFolder } from './write.js';

/* Adapters as PEFT saves them, and what merging them gives. */

/** Changes of weights as products of two factors. */
export interface SmallAdapter {
  readonly rank: number;
  readonly alpha: number;
  readonly rooted: boolean;
  /** Weights are stored as inputs by outputs. */
  readonly fanInFanOut: boolean;
  /** (rank, inputs) and (outputs, rank), by the name of the weight. */
  readonly factors: ReadonlyMap<string, readonly [a: Float64Array, b: Float64Array]>;
}

/** One that was trained on the weights of these names. */
export function trainedAdapter(
  tensors: Given,
  names: RegExp,
  seed: number,
  { rank = 4, alpha = 16, rooted = false, fanInFanOut = false } = {},
): SmallAdapter {
  const { normal } = random(seed ^ 0xada);
  const draw = (count: number, scale: number) =>
    Float64Array.from({ length: count }, () => Math.fround(scale * normal()));
  const factors = Object.entries(tensors).flatMap(([name, [, first, second]]) => {
    if (!names.test(name)) return [];
    const [outputs, inputs] = fanInFanOut ? [second, first] : [first, second];
    return [[name, [draw(rank * inputs, 1 / Math.sqrt(inputs)), draw(outputs * rank, 0.05)] as const] as const];
  });
  return { rank, alpha, rooted, fanInFanOut, factors: new Map(factors) };
}

/** α / r, or α / √r. */
export const scaleOf = ({ rank, alpha, rooted }: SmallAdapter): number => alpha / (rooted ? Math.sqrt(rank) : rank);

/**
 * A base with an adapter merged in.
 * @param scale of a weight's change; 0 where it is left out
 * @param change of which weight it is that a weight gets
 */
export function merged(
  tensors: Given,
  adapter: SmallAdapter,
  {
    scale = () => scaleOf(adapter),
    change = (name) => name,
  }: { readonly scale?: (name: string) => number; readonly change?: (name: string) => string } = {},
): Given {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, given]) => {
      const factors = adapter.factors.get(change(name));
      if (factors === undefined) return [name, given];
      const [data, ...shape] = given;
      const [[a, b], r, s] = [factors, adapter.rank, scale(name)];
      const inputs = a.length / r;
      const sum = data.map((value, at) => {
        const [i, j] = adapter.fanInFanOut
          ? [at % shape[1], Math.floor(at / shape[1])]
          : [Math.floor(at / inputs), at % inputs];
        let product = 0;
        for (let k = 0; k < r; k++) product += b[i * r + k] * a[k * inputs + j];
        return value + s * product;
      });
      return [name, [sum, ...shape]];
    }),
  ) as Given;
}

/** A folder as PEFT saves it. */
export async function writeAdapter(folder: string, adapter: SmallAdapter): Promise<string> {
  const { rank, alpha, rooted, fanInFanOut, factors } = adapter;
  mkdirSync(folder, { recursive: true });
  const tensors: Given = {};
  for (const [name, [a, b]] of factors) {
    const module = `base_model.model.${name.replace(/\.weight$/, '')}`;
    tensors[`${module}.lora_A.weight`] = [a, rank, a.length / rank];
    tensors[`${module}.lora_B.weight`] = [b, b.length / rank, rank];
  }
  const modules = [...factors.keys()].map((name) => /([^.]+)\.weight$/.exec(name)![1]);
  const config = {
    ...{ peft_type: 'LORA', task_type: 'CAUSAL_LM', r: rank, lora_alpha: alpha, use_rslora: rooted },
    ...{ lora_dropout: 0.05, bias: 'none', fan_in_fan_out: fanInFanOut, target_modules: [...new Set(modules)] },
  };
  await writeFolder(folder, stored(tensors));
  renameSync(join(folder, 'model.safetensors'), join(folder, 'adapter_model.safetensors'));
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
  return folder;
}
