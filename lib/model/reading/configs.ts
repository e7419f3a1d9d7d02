import { dirname, join } from 'node:path';
import { TensimError } from '../../errors.js';
import { isChange } from '../../formats/changed.js';
import type { Companions } from '../../formats/companions.js';
import { parseJson } from '../../formats/text_file.js';
import { isRecord, type SettingSources } from '../setting_lookup.js';
import type { ConfigFile } from '../settings.js';

/** A config.json is a page of text; a history.json may be longer, and is then left. */
export const CONFIG_BYTES = 1024 * 1024;

/** The config.json in the folder of a checkpoint, if one can be read. */
export function configBeside(checkpoint: string, companions: Companions): Promise<ConfigFile | undefined> {
  return fileAt(join(dirname(checkpoint), 'config.json'), companions);
}

/**
 * All files beside a checkpoint that may say how it is read: those called after it, the config.json of its folder, and
 * what a history.json there has as the `config` of the training.
 */
export async function configsBeside(
  checkpoint: string,
  companions: Companions,
): Promise<Pick<SettingSources, 'own' | 'beside' | 'history'>> {
  // Most are not there, and to find that out takes as long as to open one.
  const paths = [`${checkpoint}.config.json`, `${checkpoint}.history.json`, join(dirname(checkpoint), 'history.json')];
  const [beside, config, record, history] = await Promise.all([
    configBeside(checkpoint, companions),
    ...paths.map((path) => fileAt(path, companions)),
  ]);
  return {
    own: [config, record && (configIn(record) ?? record)].filter((file) => file !== undefined),
    beside,
    history: history && configIn(history),
  };
}

/** A file beside a checkpoint; undefined where it cannot be read. */
export async function fileAt(path: string, companions: Companions): Promise<ConfigFile | undefined> {
  try {
    return { path, text: await companions.read(path, CONFIG_BYTES) };
  } catch (error) {
    if (error instanceof TensimError && !isChange(error)) return undefined;
    throw error;
  }
}

/** The settings within the record of a training. Records are of all kinds: one that is damaged says nothing. */
function configIn({ path, text }: ConfigFile): ConfigFile | undefined {
  try {
    const json: unknown = parseJson(text);
    const config = isRecord(json) ? json.config : undefined;
    return isRecord(config) ? { path, text: JSON.stringify(config) } : undefined;
  } catch {
    return undefined;
  }
}
