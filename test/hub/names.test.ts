import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { isPlainPath, parseAddress } from '../../lib/hub/address.js';
import { expandHubAddress, fetchFromHub } from '../../lib/hub/repository.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { HubServer, jsonOf } from './server.js';

const root = temporaryFolder();
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const content = readFileSync('test/formats/pytorch/fixtures/model.bin');
const server = new HubServer({ 'models/me/runs': { refs: { main: COMMIT }, files: { 'a.pt': content } } });

beforeAll(async () => {
  vi.stubEnv('HF_ENDPOINT', await server.start());
  vi.stubEnv('HF_HUB_CACHE', join(root, 'cache'));
  vi.stubEnv('HF_HOME', join(root, 'home'));
});
afterAll(() => server.stop());
afterEach(() => {
  server.instead = () => false;
});

describe('names', () => {
  test.each(['a--b/c', 'a/b--c', 'a/..b', 'a/b..c', 'a-/b', 'a/-b', '.a/b', 'a/b.', 'a/b.git', `a/${'b'.repeat(97)}`])(
    'hf://%s is no repository, for the Hub has none of that name',
    async (repository) => {
      expect(await rejection(fetchFromHub(`hf://${repository}/x.pt`))).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(server.requests).toEqual([]);
    },
  );

  test.each(['a_b/c.d-e', '_a/b_', 'A/0', `a/${'b'.repeat(96)}`])('hf://%s is one', (repository) => {
    expect(parseAddress(`hf://${repository}/x.pt`).repository).toBe(repository);
  });

  test.each(['con', 'NUL.pt', 'aux.tar.pt', 'COM1', 'lpt9.bin', 'a/prn/b', 'CONIN$', 'x.', 'x ', 'a?b', 'com¹.pt'])(
    '%j is no file on Windows alone',
    (path) => {
      expect(isPlainPath(path, 'win32')).toBe(false);
      expect(isPlainPath(path, 'linux')).toBe(true);
    },
  );

  test.each([
    'C:/x',
    'C:x',
    'a:stream',
    '..',
    'a/../b',
    '/x',
    '\\\\host\\x',
    'x\u0007',
    'x'.repeat(256),
    'é'.repeat(128),
  ])('%j is none anywhere', (path) => {
    for (const platform of ['win32', 'linux', 'darwin'] as const) expect(isPlainPath(path, platform)).toBe(false);
  });

  test('with marks of addresses in them are those of files all the same', async () => {
    const names = ['a?b=c.pt', 'a#b.pt', '100%25.pt', '%2e%2e/x.pt'];
    const repository = new HubServer({
      'models/me/odd': { refs: { main: COMMIT }, files: Object.fromEntries(names.map((name) => [name, content])) },
    });
    vi.stubEnv('HF_ENDPOINT', await repository.start());
    onTestFinished(async () => {
      vi.stubEnv('HF_ENDPOINT', server.origin);
      await repository.stop();
    });
    for (const name of names)
      expect(readFileSync((await fetchFromHub(`hf://me/odd/${name}`)).path).equals(content)).toBe(true);
  });

  test('in an answer of the Hub are matched by any pattern at once, whatever they are', async () => {
    const names = ['a'.repeat(2000), '_'.repeat(2000), 'a/'.repeat(900)].map((name) => `${name}x.safetensors`);
    server.instead = jsonOf(names.map((path) => ({ type: 'file', path, size: 1, oid: 'b'.repeat(40) })));
    const start = performance.now();
    for (const pattern of [`${'*a'.repeat(30)}*b`, '+(+(a|aa|a*)+)b', '*_*_*_*_*.safetensor', `${'**/'.repeat(20)}b`])
      expect((await rejection(expandHubAddress(`hf://me/runs@${'f'.repeat(40)}/${pattern}`))).code).toBe(
        'FILE_NOT_FOUND',
      );
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
