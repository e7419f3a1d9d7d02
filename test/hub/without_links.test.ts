import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { HubCache } from '../../lib/hub/cache.js';
import { HubClient, type HubEntry } from '../../lib/hub/client.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';

vi.mock(import('node:fs/promises'), async (original) => ({
  ...(await original()),
  symlink: () =>
    Promise.reject(Object.assign(new Error('EPERM: not permitted'), { code: 'EPERM', syscall: 'symlink' })),
}));

const folder = temporaryFolder();
const address = { type: 'model', repository: 'me/runs', revision: undefined, path: '' } as const;
const commit = 'c'.repeat(40);
const entry: HubEntry = { path: 'a/b.bin', folder: false, size: 3, etag: 'e'.repeat(40), sha256: undefined };

beforeEach(() => vi.stubEnv('HF_HUB_CACHE', folder));

function clientThatSends(bytes: Uint8Array): HubClient {
  const client = new HubClient(address, undefined);
  vi.spyOn(client, 'download').mockImplementation(async (_commit, _path, read) =>
    read(new Blob([new Uint8Array(bytes)]).stream()),
  );
  return client;
}

test('on a system without links the cache holds copies', async () => {
  const path = await new HubCache(address).fetch(commit, entry, clientThatSends(Uint8Array.of(1, 2, 3)));
  expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  expect(readdirSync(join(path, '..'))).toEqual(['b.bin']);
});

test('a cache that cannot be written says so, and what would help', async () => {
  const place = join(folder, 'a file');
  writeFileSync(place, '');
  vi.stubEnv('HF_HUB_CACHE', place);
  const error = await new HubCache(address).rememberCommit('main', commit).catch((reason) => reason);
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hint: 'HF_HUB_CACHE says where else it may be' });
  expect(error.message).toContain('the cache cannot be written (ENOTDIR');
});

test('the commit of a revision is remembered whole or not at all', async () => {
  const cache = new HubCache(address);
  await cache.rememberCommit('main', commit);
  expect(await cache.rememberedCommit('main')).toBe(commit);
  const refs = join(folder, 'models--me--runs', 'refs');
  mkdirSync(join(refs, 'taken'));
  await expect(cache.rememberCommit('taken', commit)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(readdirSync(refs).sort()).toEqual(['main', 'taken']);
});
