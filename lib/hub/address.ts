import { posix } from 'node:path';
import { TensimError } from '../errors.js';
import { quote } from '../words/quoting.js';

/** A file, a folder or a pattern in a repository on the Hugging Face Hub. */
export interface HubAddress {
  readonly type: 'model' | 'dataset';
  /** `OWNER/NAME`. */
  readonly repository: string;
  /** A branch, a tag or a commit; undefined for the main branch. */
  readonly revision: string | undefined;
  /** Empty for the whole repository; no slash at either end. */
  readonly path: string;
}

const SCHEME = 'hf://';
const DATASETS = 'datasets/';
/** The type that is meant where none is said may be said as well. */
const MODELS = 'models/';
/** Revisions of the Hub's own that have slashes, as it names pull requests and conversions. */
const SPECIAL = String.raw`refs/(?:convert/[\w.-]+|pr/\d+)(?=/|$)`;
const ADDRESS = new RegExp(`^([^/@]+/[^/@]+)(?:@(${SPECIAL}|[^/]+))?(?:/(.*))?$`, 's');
/** Bytes that the systems have room for in the name of a file, and in a path. */
const MOST_NAME = 255;
const MOST_PATH = 2048;
/** Names that are devices on Windows, in every folder and with every ending. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d¹²³])[ ]*(?:\.|$)/i;

/** Whether a path is an address on the Hub. */
export function isHubAddress(path: string): boolean {
  return typeof path === 'string' && path.startsWith(SCHEME);
}

/**
 * Reads `hf://OWNER/NAME[@REVISION]/PATH` or `hf://datasets/OWNER/NAME[@REVISION]/PATH`; a slash in a revision is
 * written %2F, but for those of refs/pr/N and refs/convert/NAME.
 * @throws TensimError `INVALID_ARGUMENT`
 */
export function parseAddress(text: string): HubAddress {
  const inner = text.slice(SCHEME.length);
  const type = inner.startsWith(DATASETS) ? 'dataset' : 'model';
  const prefix = [DATASETS, MODELS].find((one) => inner.startsWith(one)) ?? '';
  const [, repository, revision, path] = ADDRESS.exec(inner.slice(prefix.length)) ?? [];
  const address: HubAddress = {
    type,
    repository: repository ?? '',
    revision: revision?.replaceAll(/%2f/gi, '/'),
    path: (path ?? '').replace(/\/$/, ''),
  };
  if (isRepository(address.repository) && isRevision(address.revision) && isPlainPath(address.path)) return address;
  throw new TensimError('INVALID_ARGUMENT', `${quote(text)} is no address on the Hugging Face Hub`, {
    hint:
      'It should be hf://OWNER/NAME[@REVISION]/PATH or hf://datasets/OWNER/NAME[@REVISION]/PATH, where OWNER and NAME ' +
      'have no "--" and no ".."',
  });
}

/** The address as text. */
export function addressText({ type, repository, revision, path }: HubAddress): string {
  const at = revision === undefined ? '' : `@${revision.replaceAll('/', '%2F')}`;
  return `${SCHEME}${type === 'dataset' ? DATASETS : ''}${repository}${at}${path === '' ? '' : `/${path}`}`;
}

/** The address of a path relative to the folder of another address, at a commit. */
export function addressBeside(address: HubAddress, revision: string, path: string): string {
  return addressText({ ...address, revision, path: posix.join(posix.dirname(address.path), path) });
}

/** Whether a revision is a commit, which stands for the same files for ever. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** Whether a path leads out of the folder it is in, or is none. */
export function climbs(path: string): boolean {
  return path.split('/').some((part) => part === '' || part === '.' || part === '..' || /[\p{Cc}\p{Cs}]/u.test(part));
}

/**
 * Whether a path leads from a folder to a place below it, on every system, and can be that of a file on this one: paths
 * come from servers and become paths of files.
 */
export function isPlainPath(path: string, platform: NodeJS.Platform = process.platform): boolean {
  if (path === '') return true;
  if (climbs(path) || /[\\:]/.test(path) || path.length > MOST_PATH) return false;
  return path
    .split('/')
    .every(
      (part) =>
        Buffer.byteLength(part) <= MOST_NAME &&
        (platform !== 'win32' || !(DEVICE.test(part) || /[<>"|?*]|[. ]$/.test(part))),
    );
}

/**
 * What the Hub allows as the name of a repository. `--` stands for the slash in the names of the cache: with it, two
 * repositories would share a folder.
 */
function isRepository(repository: string): boolean {
  return (
    /^\w(?:[\w.-]*\w)?\/\w(?:[\w.-]{0,94}\w)?$/.test(repository) &&
    !/--|\.\.|\.git$/.test(repository) &&
    repository.length <= MOST_NAME - 'datasets--'.length
  );
}

function isRevision(revision: string | undefined): boolean {
  return revision === undefined || (/^[\w./-]+$/.test(revision) && isPlainPath(revision));
}
