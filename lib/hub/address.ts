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

/** Whether a path is an address on the Hub. */
export function isHubAddress(path: string): boolean {
  return typeof path === 'string' && path.startsWith(SCHEME);
}

/**
 * Reads `hf://OWNER/NAME[@REVISION]/PATH` or `hf://datasets/OWNER/NAME[@REVISION]/PATH`; a slash in a revision is
 * written %2F.
 * @throws TensimError `INVALID_ARGUMENT`
 */
export function parseAddress(text: string): HubAddress {
  const inner = text.slice(SCHEME.length);
  const type = inner.startsWith(DATASETS) ? 'dataset' : 'model';
  const [, repository, revision, path] =
    /^([^/@]+\/[^/@]+)(?:@([^/]+))?(?:\/(.*))?$/s.exec(type === 'dataset' ? inner.slice(DATASETS.length) : inner) ?? [];
  const address: HubAddress = {
    type,
    repository: repository ?? '',
    revision: revision?.replaceAll(/%2f/gi, '/'),
    path: (path ?? '').replace(/\/$/, ''),
  };
  if (
    /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(address.repository) &&
    isRevision(address.revision) &&
    isPlainPath(address.path)
  )
    return address;
  throw new TensimError('INVALID_ARGUMENT', `${quote(text)} is no address on the Hugging Face Hub`, {
    hint: 'It should be hf://OWNER/NAME[@REVISION]/PATH or hf://datasets/OWNER/NAME[@REVISION]/PATH',
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

/**
 * Whether a path leads from a folder to a place below it, on every system: paths come from servers and become paths of
 * files.
 */
export function isPlainPath(path: string): boolean {
  if (path === '') return true;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\p{Cc}]/u.test(part));
}

function isRevision(revision: string | undefined): boolean {
  return revision === undefined || (/^[\w./-]+$/.test(revision) && isPlainPath(revision));
}
