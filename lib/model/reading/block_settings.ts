import { TensimError } from '../../errors.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { Companions } from '../../formats/companions.js';
import { valueText } from '../../words/quoting.js';
import { positiveInteger } from '../setting_types.js';
import { type ConfigFile, type ModelConfig, parseObject } from '../settings.js';
import { BlockSettings, type Source } from '../transformers/settings.js';
import { configBeside } from './configs.js';
import type { ModelSource } from './source.js';

/** What the caller says of a transformer, and what the file and those beside it do. */
export interface BlockSources {
  readonly given: readonly Source[];
  readonly found: readonly Source[];
}

/** Who says something about a transformer, the first before the others: the caller, metadata, a config.json beside. */
export async function blockSources(
  { path, metadata }: Pick<Checkpoint, 'path' | 'metadata'>,
  { config, configFile, companions = new Companions() }: ModelSource,
): Promise<BlockSources> {
  const beside = await configBeside(path, companions);
  return {
    given: [
      ...(config === undefined ? [] : [{ name: 'what was given', values: asSpelled(config) }]),
      ...(configFile === undefined ? [] : [inFile(configFile)]),
    ],
    found: [{ name: 'the metadata', values: metadata }, ...(beside === undefined ? [] : [inFile(beside)])],
  };
}

/**
 * Positions of an input, where the caller says how many.
 * @throws TensimError `INVALID_ARGUMENT` for what is no whole number from 1
 */
export function positionsGiven({ config, configFile }: ModelSource): number | undefined {
  const given = config?.context;
  if (given !== undefined) {
    if (Number.isSafeInteger(given) && given >= 1) return given;
    throw new TensimError(
      'INVALID_ARGUMENT',
      `the option config.context is ${valueText(given)}, not ${positiveInteger.kind}`,
    );
  }
  // A config.json says how many a network knows, and a line of settings how many are meant.
  if (configFile?.isText !== true) return undefined;
  return new BlockSettings(configFile.path, [inFile(configFile)]).count('used');
}

function asSpelled({ heads, rotaryBase, activation, mask, normEpsilon }: ModelConfig): Record<string, unknown> {
  const values = { n_head: heads, rope_theta: rotaryBase, activation, mask, norm_eps: normEpsilon };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const inFile = (config: ConfigFile): Source => ({ name: config.path, values: parseObject(config) });
