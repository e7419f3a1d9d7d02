import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { TensimError } from '../errors.js';
import { readText } from '../formats/text_file.js';

/**
 * What the programs of Hugging Face are told by variables of the environment
 * (huggingface.co/docs/huggingface_hub/package_reference/environment_variables). An empty one is none.
 */

/** A token is a line of text. */
const TOKEN_BYTES = 4096;

/** Where the Hub is, without a slash at the end. */
export function endpoint(): string {
  const given = variable('HF_ENDPOINT');
  if (given === undefined) return 'https://huggingface.co';
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new TensimError('INVALID_ARGUMENT', 'HF_ENDPOINT is set to what is no address of a server', {
      hint: 'It should be as https://huggingface.co, without a name and a password; those who ask are known by HF_TOKEN',
    });
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** The variable that says to use the cache alone; undefined if none does. */
export function offlineBy(): string | undefined {
  const name = variable('HF_HUB_OFFLINE') === undefined ? 'TRANSFORMERS_OFFLINE' : 'HF_HUB_OFFLINE';
  return isSet(name) ? name : undefined;
}

/** A token, and which variable or file it is from. */
export interface Token {
  readonly text: string;
  readonly from: string;
  /** Whether it is there for whoever asks, and not given to us: without it, what is public must be there as well. */
  readonly isImplicit: boolean;
}

/**
 * The token that gives access to what is private: of HF_TOKEN, or else of the file that `hf auth login` writes.
 * @throws TensimError `INVALID_ARGUMENT` for what can be no token in HF_TOKEN; it does not say what it is
 */
export async function findToken(): Promise<Token | undefined> {
  if (isSet('HF_HUB_DISABLE_IMPLICIT_TOKEN')) return undefined;
  const given = variable('HF_TOKEN')?.trim();
  if (given) {
    if (isToken(given)) return { text: given, from: 'HF_TOKEN', isImplicit: false };
    throw new TensimError('INVALID_ARGUMENT', 'HF_TOKEN is set to what is no token of the Hugging Face Hub', {
      hint: 'Tokens begin with hf_ and are one word; unset it for public repositories',
    });
  }
  const older = variable('HUGGING_FACE_HUB_TOKEN')?.trim();
  if (older) return isToken(older) ? { text: older, from: 'HUGGING_FACE_HUB_TOKEN', isImplicit: true } : undefined;
  const from = folder('HF_TOKEN_PATH') ?? join(home(), 'token');
  const text = await readText(from, TOKEN_BYTES).then(
    (content) => content.trim(),
    (error: unknown) => {
      // Who is not logged in has no such file.
      if (error instanceof TensimError) return '';
      throw error;
    },
  );
  return isToken(text) ? { text, from, isImplicit: true } : undefined;
}

const isToken = (text: string): boolean => /^hf_[!-~]+$/.test(text);

/** Where files from the Hub are kept. */
export function cacheFolder(): string {
  return folder('HF_HUB_CACHE') ?? folder('HUGGINGFACE_HUB_CACHE') ?? join(home(), 'hub');
}

/** Seconds that may pass until a reply begins, and until more of it comes. */
export function timeouts(): { readonly reply: number; readonly more: number } {
  const seconds = (name: string) => {
    const text = variable(name) ?? '';
    return /^\d{1,6}$/.test(text) && Number(text) > 0 ? Number(text) : 10;
  };
  return { reply: seconds('HF_HUB_ETAG_TIMEOUT'), more: seconds('HF_HUB_DOWNLOAD_TIMEOUT') };
}

function home(): string {
  return folder('HF_HOME') ?? join(folder('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
}

/** The path in a variable, with `~` and `$NAME` in it replaced, as shells would have done it. */
function folder(name: string): string | undefined {
  const given = variable(name);
  if (given === undefined) return undefined;
  const [tilde, user] = /^~([^/\\]*)/.exec(given) ?? [];
  if (user !== undefined && user !== '' && user !== userInfo().username)
    throw new TensimError(
      'INVALID_ARGUMENT',
      `${name} names the home of somebody else, and where that is is not known`,
      {
        hint: 'Give the whole path',
      },
    );
  const path = tilde === undefined ? given : homedir() + given.slice(tilde.length);
  return path.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (text, plain, braced) => process.env[plain ?? braced] ?? text);
}

function variable(name: string): string | undefined {
  return process.env[name] || undefined;
}

function isSet(name: string): boolean {
  return /^(1|true|yes|on)$/i.test(variable(name) ?? '');
}
