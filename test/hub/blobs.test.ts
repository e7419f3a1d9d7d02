import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fetchFromHub } from '../../lib/hub/repository.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { HubServer } from './server.js';

const root = temporaryFolder();
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const ADDRESS = 'hf://me/runs/a.pt';
const content = readFileSync('test/formats/pytorch/fixtures/model.bin');
const files = { 'a.pt': content, 'large.pt': Buffer.alloc(20_000, 'large') };
const server = new HubServer({ 'models/me/runs': { refs: { main: COMMIT }, files } });
let cache: string;
let caches = 0;

function useNewCache(): void {
  cache = join(root, `cache-${caches++}`);
  vi.stubEnv('HF_HUB_CACHE', cache);
}

beforeAll(async () => {
  vi.stubEnv('HF_ENDPOINT', await server.start());
  vi.stubEnv('HF_HOME', join(root, 'home'));
});
afterAll(() => server.stop());
beforeEach(useNewCache);

describe('what lies in the cache', () => {
  const sha = () => readdirSync(join(cache, 'models--me--runs', 'blobs')).find((name) => name.length === 64) as string;

  test('is written over, never through: links there lead to no other file', async () => {
    await fetchFromHub(ADDRESS);
    const name = sha();
    useNewCache();
    const victim = join(root, `victim-${caches}`);
    writeFileSync(victim, 'VICTIM');
    const folder = join(cache, 'models--me--runs');
    for (const [place, file] of [
      ['blobs', name],
      ['refs', 'main'],
    ] as const) {
      mkdirSync(join(folder, place), { recursive: true });
      symlinkSync(victim, join(folder, place, file));
    }
    expect(readFileSync((await fetchFromHub(ADDRESS)).path).equals(content)).toBe(true);
    expect(readFileSync(victim, 'utf8')).toBe('VICTIM');
  });

  test('and is not of the size that is listed is fetched again', async () => {
    const { path } = await fetchFromHub(ADDRESS);
    const blob = join(cache, 'models--me--runs', 'blobs', sha());
    writeFileSync(blob, content.subarray(0, 100));
    useNewCache();
    mkdirSync(join(cache, 'models--me--runs', 'blobs'), { recursive: true });
    writeFileSync(join(cache, 'models--me--runs', 'blobs', blob.slice(-64)), content.subarray(0, 100));
    const again = await fetchFromHub(ADDRESS);
    expect(again.path).not.toBe(path);
    expect(readFileSync(again.path).equals(content)).toBe(true);
  });

  test('and leads nowhere is fetched again, and linked anew', async () => {
    const snapshot = join(cache, 'models--me--runs', 'snapshots', COMMIT);
    mkdirSync(snapshot, { recursive: true });
    symlinkSync('../../blobs/gone', join(snapshot, 'a.pt'));
    expect(readFileSync((await fetchFromHub(ADDRESS)).path).equals(content)).toBe(true);
    expect(lstatSync(join(snapshot, 'a.pt')).isSymbolicLink()).toBe(true);
  });
});
