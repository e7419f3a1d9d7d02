import { TensimError } from '../../errors.js';
import { listed } from '../../words/names.js';
import { quote } from '../../words/quoting.js';
import type { MemoryBudget } from '../budget.js';
import type { ByteSource } from '../source_file.js';
import { parseJson } from '../text_file.js';
import { locate, type ZipDirectory, type ZipMember } from '../zip/directory.js';
import { STORED } from '../zip/records.js';

/* Archives of stable-baselines3: a ZIP file of torch.save's archives, with settings as JSON in `data` beside them. */

/** The member with the networks of a policy. */
export const POLICY = 'policy.pth';
const SETTINGS = 'data';
/** Settings hold whole objects as texts, but are far below this. */
const MOST_SETTINGS = 4 * 1024 * 1024;
/** The longest name of a class. */
const MOST_NAME = 256;

/** A checkpoint within an archive, and the key within that. */
export interface Inner {
  readonly member: ZipMember;
  readonly key: string | undefined;
}

/**
 * The checkpoint that is meant within an archive of several: the policy's, or the one whose name the key begins with.
 * Undefined for an archive that is a checkpoint itself.
 * @throws TensimError `INVALID_FILE` for a key that leads to none
 */
export function findInner({ path: file }: ByteSource, { members }: ZipDirectory, key?: string): Inner | undefined {
  const policy = members.get(POLICY);
  if (policy === undefined || [...members.keys()].some((name) => name.endsWith('/data.pkl'))) return undefined;
  if (key === undefined) return { member: policy, key };
  const inner = [...members.values()].filter(({ name }) => name.endsWith('.pth'));
  const member = inner.find(({ name }) => key === name || key.startsWith(`${name}.`));
  if (member !== undefined) return { member, key: key === member.name ? undefined : key.slice(member.name.length + 1) };
  throw new TensimError('INVALID_FILE', `has nothing under the key ${quote(key)}`, {
    file,
    hint: `A key begins with one of ${listed(
      inner.map(({ name }) => quote(name)),
      'or',
    )}`,
  });
}

/**
 * Where a member begins that is to be read in place.
 * @throws TensimError `INVALID_FILE` for one that is compressed or encrypted
 */
export function locateStored(source: ByteSource, directory: ZipDirectory, member: ZipMember): Promise<number> {
  if (member.encrypted || member.method !== STORED)
    throw new TensimError(
      'INVALID_FILE',
      `its member ${quote(member.name)} is compressed, which it never is as saved`,
      {
        file: source.path,
        hint: `Unpack the archive, and give ${member.name} by itself`,
      },
    );
  return locate(source, directory, member);
}

/**
 * The settings that say something of the network: how far its training was, and the activation, where it stands there
 * in plain words. What is not given is the default of some version of a library, and is not guessed.
 */
export async function policyMetadata(
  source: ByteSource,
  directory: ZipDirectory,
  budget: MemoryBudget,
): Promise<Record<string, string>> {
  const member = directory.members.get(SETTINGS);
  if (member === undefined || member.encrypted || member.method !== STORED || member.size > MOST_SETTINGS) return {};
  budget.spend(8 * member.size);
  const bytes = Buffer.alloc(member.size);
  await source.read(bytes, await locate(source, directory, member));
  const settings = record(parsed(bytes.toString()));
  const activation = record(settings.policy_kwargs).activation_fn;
  const found: Record<string, string> = {};
  const name = typeof activation === 'string' ? /^<class 'torch\.nn\.[\w.]+'>$/.exec(activation)?.[0] : undefined;
  if (name !== undefined && name.length <= MOST_NAME) found.activation_fn = name;
  if (typeof settings.num_timesteps === 'number') found.num_timesteps = String(settings.num_timesteps);
  return found;
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
