import { resolve } from 'node:path';
import { TensimError } from '../../errors.js';
import { isHubAddress } from '../../hub/address.js';
import { isConfigText } from '../../model/reading/source.js';
import type { ModelConfig } from '../../model/settings.js';
import { KeptModels } from '../members/kept.js';
import { fileMember, type Member } from '../members/members.js';
import { readChoice, readFields, readList, readText, wrong } from './fields.js';

/** A model of a job: the file that it is in, and what this must hold. */
export interface ModelFile {
  /** An absolute path, or an address on the Hugging Face Hub. */
  readonly path: string;
  readonly label: string;
  /** Of the bytes of the file. */
  readonly sha256: string;
  /** SHA-256 of what the file is and of how it is read. */
  readonly identity: string;
  /** How it is read, as in `LoadOptions`. */
  readonly model?: string;
  readonly config?: string | ModelConfig;
  readonly key?: string;
  readonly ignore?: readonly string[];
  readonly unknown?: 'parameters';
}

const CONFIG = [
  ...['heads', 'context', 'scale', 'mask', 'rotaryBase', 'residual', 'block', 'activation', 'file'],
  ...['normPlace', 'normEpsilon'],
];

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for a model that is not in a file. */
export async function writeModel({ outline, file, identity }: Member): Promise<ModelFile> {
  const { label, provenance } = outline;
  if (file === undefined || provenance.sha256 === undefined) {
    throw new TensimError('INVALID_ARGUMENT', `"${label}" is in memory: another process cannot read it`, {
      hint: 'Write it to a file, and give the path of that',
    });
  }
  const { path, model, config, key, ignore, unknown } = file;
  return {
    path: isHubAddress(path) ? path : resolve(path),
    label,
    sha256: provenance.sha256,
    identity: await identity(),
    ...(model !== undefined && { model: resolve(model) }),
    ...(config !== undefined && { config: elsewhere(config) }),
    ...(key !== undefined && { key }),
    ...(ignore !== undefined && ignore.length > 0 && { ignore }),
    ...(unknown === 'parameters' && { unknown }),
  };
}

/** Settings as a process in another folder can read them. */
function elsewhere(config: string | ModelConfig): string | ModelConfig {
  if (typeof config === 'string') return isConfigText(config) ? config : resolve(config);
  return config.file === undefined ? config : { ...config, file: elsewhere(config.file) as string };
}

export function readModel(value: unknown, where: string): ModelFile {
  const fields = readFields(
    value,
    where,
    ['path', 'label', 'sha256', 'identity'],
    ['model', 'config', 'key', 'ignore', 'unknown'],
  );
  const digest = (name: 'sha256' | 'identity') => {
    const text = readText(fields[name], `${where}.${name}`);
    if (/^[0-9a-f]{64}$/.test(text)) return text;
    throw wrong(`${where}.${name}`, 'a SHA-256');
  };
  const { model, config, key, ignore, unknown } = fields;
  return {
    path: readText(fields.path, `${where}.path`),
    label: readText(fields.label, `${where}.label`),
    sha256: digest('sha256'),
    identity: digest('identity'),
    ...(model !== undefined && { model: readText(model, `${where}.model`) }),
    ...(config !== undefined && {
      config:
        typeof config === 'string'
          ? readText(config, `${where}.config`)
          : (readFields(config, `${where}.config`, [], CONFIG) as ModelConfig),
    }),
    ...(key !== undefined && { key: readText(key, `${where}.key`) }),
    ...(ignore !== undefined && { ignore: readList(ignore, `${where}.ignore`, readText) }),
    ...(unknown !== undefined && { unknown: readChoice(unknown, `${where}.unknown`, ['parameters'] as const) }),
  };
}

/**
 * Opens the file of a model.
 * @param kept takes the weights from the pass that makes sure of the file, until they are prepared.
 * @throws TensimError (rejects) `INVALID_FILE` where it is not what the job was written for; as `loadModel`.
 */
export async function openModel(
  file: ModelFile,
  signal: AbortSignal | undefined,
  // All models of a job are prepared at once.
  kept = new KeptModels(Number.POSITIVE_INFINITY),
): Promise<Member> {
  const { path, label, model, config, key, ignore, unknown, sha256, identity } = file;
  const member = await fileMember(path, { label, model, config, key, ignore, unknown, signal }, kept);
  const differs = (what: string) =>
    new TensimError('INVALID_FILE', what, {
      file: path,
      hint: 'Write the job anew, or give it the file that it is about',
    });
  if (member.outline.provenance.sha256 !== sha256) throw differs('the file is not the one that the job is about');
  if ((await member.identity()) !== identity) throw differs('the file is read otherwise than the job is about');
  return member;
}
