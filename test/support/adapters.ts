import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import type { FloatFormat } from '../../lib/tensor/convert.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { random } from './random.js';

/** Factors of one module: A is (rank, inputs), B is (outputs, rank). */
export interface MadeModule {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly rank: number;
  readonly a: Float64Array;
  readonly b: Float64Array;
}

export type Named = Record<string, Tensor>;

/** Rounded to float32, as files of it have numbers. */
const single = (values: Float64Array): Float64Array => values.map(Math.fround);

/** Draws the factors of modules; B too is drawn, as after training. */
export function drawModules(
  shapes: Readonly<Record<string, readonly [outputs: number, inputs: number]>>,
  rank: number,
  seed: number,
  size = 0.3,
): MadeModule[] {
  const { normal } = random(seed);
  const draw = (count: number) => single(Float64Array.from({ length: count }, () => size * normal()));
  return Object.entries(shapes).map(([name, [outputs, inputs]]) => ({
    ...{ name, inputs, outputs, rank },
    a: draw(rank * inputs),
    b: draw(outputs * rank),
  }));
}

/** s B A, (outputs, inputs), multiplied out in double precision. */
export function multipliedOut({ a, b, rank, inputs, outputs }: MadeModule, scale = 1): Float64Array {
  const delta = new Float64Array(outputs * inputs);
  for (let i = 0; i < outputs; i++)
    for (let j = 0; j < inputs; j++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += b[i * rank + k] * a[k * inputs + j];
      delta[i * inputs + j] = scale * sum;
    }
  return delta;
}

export const PEFT = { peft_type: 'LORA', r: 4, lora_alpha: 8, fan_in_fan_out: false, base_model_name_or_path: null };

/** A folder as PEFT saves an adapter. */
export function writeAdapter(
  folder: string,
  modules: readonly MadeModule[],
  config: Readonly<Record<string, unknown>> = {},
  { dtype = 'F32', whole = {} }: { readonly dtype?: FloatFormat; readonly whole?: Named } = {},
): string {
  const tensors = new Map<string, Tensor>();
  for (const { name, a, b, rank, inputs, outputs } of modules) {
    tensors.set(`base_model.model.${name}.lora_A.weight`, { data: a, shape: [rank, inputs] });
    tensors.set(`base_model.model.${name}.lora_B.weight`, { data: b, shape: [outputs, rank] });
  }
  for (const [name, tensor] of Object.entries(whole)) tensors.set(`base_model.model.${name}`, tensor);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'adapter_model.safetensors'), encodeSafetensors(tensors, {}, { dtype }));
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...PEFT, ...config }));
  return folder;
}

/** A folder with the tensors of a network. */
export function writeNetworkOf(folder: string, tensors: Named, dtype: FloatFormat = 'F32'): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, encodeSafetensors(new Map(Object.entries(tensors)), {}, { dtype }));
  return folder;
}
