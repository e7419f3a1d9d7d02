import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fetchFromHub } from '../../lib/hub/repository.js';
import { cacheFolder, endpoint, findToken, timeouts } from '../../lib/hub/settings.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { HubServer } from './server.js';

const root = temporaryFolder();

beforeEach(() => {
  const names = ['HF_HOME', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'XDG_CACHE_HOME', 'HF_ENDPOINT', 'HF_TOKEN'];
  names.push('HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_DISABLE_IMPLICIT_TOKEN', 'HF_HUB_ETAG_TIMEOUT');
  for (const name of names) vi.stubEnv(name, undefined);
  vi.stubEnv('HOME', join(root, 'user'));
  vi.stubEnv('USERPROFILE', join(root, 'user'));
});

describe('the cache', () => {
  const user = join(root, 'user');
  test.each<[Record<string, string>, string]>([
    [{}, join(user, '.cache', 'huggingface', 'hub')],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '~/x' }, join(user, 'x/huggingface/hub')],
    [{ HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '~/h' }, join(user, 'h', 'hub')],
    [{ HF_HOME: '~' }, join(user, 'hub')],
    [{ HF_HOME: `~${userInfo().username}/h` }, join(user, 'h', 'hub')],
    [{ HF_HOME: '$WHERE/h' }, '/w/h/hub'],
    [{ HF_HOME: '/a$WHERE-b' }, '/a/w-b/hub'],
    [{ HF_HOME: '/a$' + '{WHERE}b' }, '/a/wb/hub'],
    [{ HF_HOME: '/a/$NOWHERE_AT_ALL' }, '/a/$NOWHERE_AT_ALL/hub'],
    [{ HF_HOME: '/a/~' }, '/a/~/hub'],
    [{ HF_HOME: '' }, join(user, '.cache', 'huggingface', 'hub')],
    [{ HF_HUB_CACHE: '~/c', HF_HOME: '/h' }, join(user, 'c')],
    [{ HF_HUB_CACHE: '$WHERE/c', HUGGINGFACE_HUB_CACHE: '/o' }, '/w/c'],
    [{ HUGGINGFACE_HUB_CACHE: '$' + '{WHERE}/o', HF_HOME: '/h' }, '/w/o'],
  ])('is where %j says, as for the other programs', (variables, folder) => {
    vi.stubEnv('WHERE', '/w');
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    expect(homedir()).toBe(user);
    expect(cacheFolder()).toBe(folder);
  });

  test('in the home of somebody unknown is nowhere', () => {
    vi.stubEnv('HF_HOME', '~nobody-of-this-name/h');
    expect(cacheFolder).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

test.each(['huggingface.co', 'ftp://x', 'file:///x', 'https://user:secret@x', '://', 'x y'])(
  'HF_ENDPOINT=%s is no server, and is not repeated',
  (address) => {
    vi.stubEnv('HF_ENDPOINT', address);
    expect(endpoint).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.not.stringContaining('secret') }),
    );
  },
);

test.each([
  ['https://hub.example/', 'https://hub.example'],
  ['http://127.0.0.1:80//', 'http://127.0.0.1'],
  ['https://hub.example/api/hf/', 'https://hub.example/api/hf'],
  ['', 'https://huggingface.co'],
])('HF_ENDPOINT=%s is %s', (address, expected) => {
  vi.stubEnv('HF_ENDPOINT', address);
  expect(endpoint()).toBe(expected);
});

test.each([
  ['30', 30],
  ['0', 10],
  ['-1', 10],
  ['soon', 10],
  ['', 10],
])('HF_HUB_ETAG_TIMEOUT=%s is %i seconds', (text, seconds) => {
  vi.stubEnv('HF_HUB_ETAG_TIMEOUT', text);
  expect(timeouts().reply).toBe(seconds);
});

describe('the token', () => {
  const write = (path: string, content: string) => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    return path;
  };

  test('is that of the first place that has one', async () => {
    expect(await findToken()).toBeUndefined();
    const home = join(root, 'home');
    vi.stubEnv('HF_HOME', home);
    expect(await findToken()).toBeUndefined();
    const login = write(join(home, 'token'), ' hf_login\r\n');
    expect(await findToken()).toMatchObject({ text: 'hf_login', from: login });
    const file = write(join(root, 'user', 'other'), 'hf_file');
    vi.stubEnv('HF_TOKEN_PATH', '~/other');
    expect(await findToken()).toMatchObject({ text: 'hf_file', from: file });
    vi.stubEnv('HUGGING_FACE_HUB_TOKEN', 'hf_older\n');
    expect(await findToken()).toMatchObject({ text: 'hf_older', from: 'HUGGING_FACE_HUB_TOKEN' });
    vi.stubEnv('HF_TOKEN', '\t hf_newer ');
    expect(await findToken()).toMatchObject({ text: 'hf_newer', from: 'HF_TOKEN' });
    vi.stubEnv('HF_TOKEN', ' ');
    expect(await findToken()).toMatchObject({ text: 'hf_older' });
    vi.stubEnv('HF_HUB_DISABLE_IMPLICIT_TOKEN', '1');
    expect(await findToken()).toBeUndefined();
  });

  test.each(['my-password', 'hf_a b', 'hf_a\nb', 'hf_é', 'hf_\u0000', '"hf_a"'])(
    '%j is none, and is not repeated',
    async (text) => {
      vi.stubEnv('HF_TOKEN_PATH', write(join(root, 'bad'), text));
      expect(await findToken()).toBeUndefined();
      vi.stubEnv('HF_TOKEN', text);
      const error = await rejection(findToken());
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(`${error.message}${error.stack}`).not.toContain(text);
    },
  );

  test.each([
    ['a large file', 'x'.repeat(1e6)],
    ['an empty one', ''],
  ])('%s has none', async (_what, content) => {
    vi.stubEnv('HF_TOKEN_PATH', write(join(root, 'odd'), content));
    expect(await findToken()).toBeUndefined();
  });

  test('a folder has none', async () => {
    vi.stubEnv('HF_TOKEN_PATH', root);
    expect(await findToken()).toBeUndefined();
  });

  describe('of "hf auth login"', () => {
    const commit = 'a'.repeat(40);
    const files = { 'x.bin': Buffer.from('x') };
    const server = new HubServer({
      'models/me/private': { refs: { main: commit }, files, token: 'hf_login' },
      'models/me/public': { refs: { main: commit }, files },
    });
    let origin: string;
    beforeAll(async () => {
      origin = await server.start();
    });
    afterAll(() => server.stop());

    beforeEach(() => {
      vi.stubEnv('HF_ENDPOINT', origin);
      vi.stubEnv('HF_HUB_CACHE', join(root, `cache-${Math.random()}`));
      vi.stubEnv('HF_TOKEN_PATH', write(join(root, 'login'), 'hf_login\n'));
      server.tokens.length = 0;
      server.instead = () => false;
    });

    test('gives access to what is private', async () => {
      await fetchFromHub('hf://me/private/x.bin');
      expect(new Set(server.tokens)).toEqual(new Set(['Bearer hf_login']));
    });

    test('that is over does not keep from what is public', async () => {
      server.instead = (request, response) => {
        if (request.headers.authorization === undefined) return false;
        response.writeHead(401).end();
        return true;
      };
      await fetchFromHub('hf://me/public/x.bin');
      expect((await rejection(fetchFromHub('hf://me/private/x.bin'))).message).toContain(join(root, 'login'));
      vi.stubEnv('HF_TOKEN', 'hf_given');
      vi.stubEnv('HF_HUB_CACHE', join(root, 'cache-given'));
      expect((await rejection(fetchFromHub('hf://me/public/x.bin'))).message).toContain('The token of HF_TOKEN');
    });
  });
});
