import { dirname, join } from 'node:path';
import type { StampedCheckpoint } from '../../formats/checkpoint.js';
import { Companions } from '../../formats/companions.js';
import type { Told } from '../../formats/quantised/stored.js';
import { parseJson } from '../../formats/text_file.js';
import { type ConfigFile, isRecord } from '../setting_lookup.js';
import { configsBeside, fileAt } from './configs.js';
import type { ModelSource } from './source.js';

/** Under which a config.json says how the weights beside it are stored: the field of transformers, and that of MLX. */
const FIELDS = ['quantization_config', 'quantization', 'compression_config'];

/** Files that say nothing else: those of AutoGPTQ, AutoAWQ and ModelOpt. */
const OWN_FILES = ['quantize_config.json', 'quant_config.json', 'hf_quant_config.json'];

/** What is said beside a checkpoint of how its quantised weights are stored, by the first that says anything. */
export async function quantisationTold(
  { path, metadata }: Pick<StampedCheckpoint, 'path' | 'metadata'>,
  { configFile, companions = new Companions() }: ModelSource,
): Promise<Told> {
  const { own = [], beside } = await configsBeside(path, companions);
  const inMetadata = { path, text: JSON.stringify({ quantization_config: recordIn(metadata.quantization_config) }) };
  for (const file of [configFile, inMetadata, ...own, beside]) {
    const values = file && fieldIn(file);
    if (values !== undefined) return { file: file!.path, values };
  }
  for (const name of OWN_FILES) {
    const file = await fileAt(join(dirname(path), name), companions);
    const values = file && recordIn(file.text);
    if (values !== undefined) return { file: file!.path, values };
  }
  return { file: undefined, values: {} };
}

/** Of a model of texts and images, what it says of the texts counts where it says nothing as a whole. */
function fieldIn({ text }: ConfigFile): Readonly<Record<string, unknown>> | undefined {
  const config = recordIn(text);
  const records = [config, config?.text_config].filter(isRecord);
  return records.flatMap((record) => FIELDS.map((field) => record[field])).find(isRecord);
}

/** What is no object says nothing; who needs it for more complains of it. */
function recordIn(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  try {
    const json: unknown = parseJson(text);
    return isRecord(json) ? json : undefined;
  } catch {
    return undefined;
  }
}
