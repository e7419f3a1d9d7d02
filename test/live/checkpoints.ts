import { renameSync, writeFileSync } from 'node:fs';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import { randomTensor } from '../support/models.js';
import { random } from '../support/random.js';

/** Sizes of a bilinear network of one block. */
export interface Sizes {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
}

export const SMALL: Sizes = { inputs: 6, hidden: 5, outputs: 3 };

/** The bytes of a checkpoint: a network that goes from one place to another as the steps go on. */
export function checkpointBytes(step: number, seed = 1, { inputs, hidden, outputs }: Sizes = SMALL): Buffer {
  const [start, way, noise] = [random(seed), random(seed + 1), random(seed + 1000 + step)];
  const weight = (...shape: number[]) => {
    const [from, to, beside] = [start, way, noise].map((draw) => randomTensor(draw, ...shape));
    const data = from.data.map((x, i) => x + (step / 2000) * to.data[i] + 0.02 * beside.data[i]);
    return { shape, data: Float32Array.from(data) };
  };
  const tensors = {
    'embed.weight': weight(hidden, inputs),
    'blocks.0.weight': weight(2 * hidden, hidden),
    'head.weight': weight(outputs, hidden),
  };
  return Buffer.from(encodeSafetensors(tensors, { step: `${step}` }));
}

export const nameOf = (step: number): string => `step_${String(step).padStart(5, '0')}.safetensors`;

/** Puts a file in its place at once, as careful programs do. */
export function renameInto(path: string, bytes: Uint8Array): void {
  writeFileSync(`${path}.tmp`, bytes);
  renameSync(`${path}.tmp`, path);
}
