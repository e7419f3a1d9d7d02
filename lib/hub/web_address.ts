import { TensimError } from '../errors.js';
import { exists } from '../formats/exists.js';
import { quote } from '../words/quoting.js';
import { addressText, type HubAddress, parseAddress } from './address.js';
import { endpoint } from './settings.js';

const HOSTS = ['huggingface.co', 'www.huggingface.co', 'hf.co'];
/** What the Hub puts between a repository and a revision, in the addresses of its pages and files. */
const PAGES = '(?:blob|resolve|tree|raw|blame|edit|commit|commits)';
const PAGE = new RegExp(
  String.raw`^/(?:api/)?(datasets/|models/)?([^/]+/[^/]+)(?:/${PAGES}/(refs/(?:convert/[^/]+|pr/\d+)(?=/|$)|[^/]+)(?:/(.*))?)?$`,
);

/**
 * Refuses the address of a page or a file on the web, with the hf:// address that is meant where it is one of the Hub:
 * they are copied from browsers, which leave out https:// at times.
 * @throws TensimError `INVALID_ARGUMENT`
 */
export async function refuseWebAddress(path: string): Promise<void> {
  // What is no text is no address; those who open it say so.
  if (typeof path !== 'string') return;
  const bare = HOSTS.some((host) => path.startsWith(`${host}/`));
  if (bare ? await exists(path) : !/^https?:\/\//i.test(path)) return;
  const address = hubAddressOf(bare ? `https://${path}` : path);
  throw new TensimError('INVALID_ARGUMENT', `${quote(path)} is an address on the web, which is not read`, {
    hint:
      address === undefined
        ? 'Download the file first; files on the Hugging Face Hub are given as hf://OWNER/NAME[@REVISION]/PATH'
        : `On the Hugging Face Hub it is ${addressText(address)}`,
  });
}

/** The address on the Hub of one of its pages or files; undefined for any other. */
function hubAddressOf(text: string): HubAddress | undefined {
  if (!URL.canParse(text)) return undefined;
  const { host, pathname } = new URL(text);
  const own = new URL(endpoint());
  // A Hub that is behind a path of a server has its pages below it.
  const below = host === own.host && pathname.startsWith(`${own.pathname}/`.replace(/^\/+/, '/'));
  if (!below && !HOSTS.includes(host)) return undefined;
  const page = below ? pathname.slice(own.pathname.replace(/\/$/, '').length) : pathname;
  const [, type, repository, revision, path = ''] = PAGE.exec(page.replace(/\/+$/, '')) ?? [];
  if (repository === undefined) return undefined;
  try {
    return parseAddress(
      addressText({
        type: type === 'datasets/' ? 'dataset' : 'model',
        repository,
        revision: revision === undefined ? undefined : decodeURIComponent(revision),
        path: decodeURIComponent(path),
      }),
    );
  } catch {
    return undefined;
  }
}
