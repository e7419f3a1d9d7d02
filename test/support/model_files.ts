import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { mapLayer, partsOf } from '../../lib/layers/layer.js';
import type { Model } from '../../lib/model/model.js';

/**
 * Writes a model of any layers to a folder: the weights, and a model.json that describes them, whose path comes back.
 */
export async function saveModel(folder: string, name: string, { layers, inputShape }: Model): Promise<string> {
  const weights = `${name}.safetensors`;
  const tensors = layers.flatMap((layer, i) => partsOf(layer).map(([role, part]) => [`${i}.${role}`, part] as const));
  await writeSafetensors(join(folder, weights), Object.fromEntries(tensors));
  const described = layers.map((layer, i) => mapLayer(layer, (_, role) => `${i}.${role}`));
  const path = join(folder, `${name}.json`);
  const description = { schema: 'tensim.model/1', weights, positions: inputShape[0], layers: described };
  writeFileSync(path, JSON.stringify(description));
  return path;
}
