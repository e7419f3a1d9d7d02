import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { fetchFromHub } from '../../lib/hub/repository.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { hearWarnings } from '../../lib/words/warning.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, deepShapes, writeCheckpoint } from '../model/helpers.js';
import { HubServer, statusOf } from './server.js';
import { shardedFiles } from './sharded_files.js';

const root = temporaryFolder();
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const OLDER = 'fedcba9876543210fedcba9876543210fedcba98';

let server: HubServer;
let cache: string;
let snapshot: string;
let caches = 0;
let warnings: string[];
let stopHearing: () => void;
/** A number that no commit has had: the listings of those are remembered. */
let commits = 0;
let refs: Record<string, string>;

beforeAll(async () => {
  const bytes = async (name: string, ...rest: [shapes: Parameters<typeof writeCheckpoint>[2]]) =>
    readFileSync(await writeCheckpoint(root, name, ...rest));
  refs = { main: COMMIT, 'refs/pr/1': OLDER };
  server = new HubServer({
    'models/me/runs': {
      refs,
      files: {
        'one.safetensors': await bytes('one.safetensors', bilinearShapes()),
        'runs/step_1.safetensors': await bytes('s1.safetensors', bilinearShapes(4, 3, 2)),
        'runs/step_2.safetensors': await bytes('s2.safetensors', bilinearShapes(4, 3, 2)),
        'deep/model.safetensors': await bytes('d.safetensors', deepShapes(1)),
        'deep/config.json': Buffer.from('{"scale": 0.25}'),
        ...(await shardedFiles(bytes)),
      },
    },
  });
  vi.stubEnv('HF_ENDPOINT', await server.start());
});
afterAll(() => server.stop());

beforeEach(() => {
  refs.main = (++commits).toString(16).padStart(40, '0');
  refs['refs/pr/1'] = refs.main;
  cache = join(root, `cache-${caches++}`);
  snapshot = join(cache, 'models--me--runs', 'snapshots', refs.main);
  vi.stubEnv('HF_HUB_CACHE', cache);
  vi.stubEnv('HF_HOME', join(root, 'home'));
  vi.stubEnv('HF_HUB_OFFLINE', undefined);
  vi.stubEnv('TRANSFORMERS_OFFLINE', undefined);
  server.requests.length = 0;
  server.instead = () => false;
  warnings = [];
  stopHearing = hearWarnings((text) => warnings.push(text));
  onTestFinished(stopHearing);
});

const at = (path: string) => `hf://me/runs@${refs.main}/${path}`;
const offline = () => vi.stubEnv('HF_HUB_OFFLINE', '1');

describe('without an answer of the Hub', () => {
  const outages: [string, () => void][] = [
    ['with status 503', () => (server.instead = statusOf(503))],
    ['with status 500', () => (server.instead = statusOf(500))],
    ['with status 429', () => (server.instead = statusOf(429))],
    ['cannot be reached', () => vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1')],
    [
      'not answered within 1 s',
      () => {
        vi.stubEnv('HF_HUB_ETAG_TIMEOUT', '1');
        server.instead = () => true;
      },
    ],
  ];
  const breakDown = (how: () => void) => {
    how();
    onTestFinished(() => {
      vi.stubEnv('HF_ENDPOINT', server.origin);
      vi.stubEnv('HF_HUB_ETAG_TIMEOUT', undefined);
    });
  };

  test.each(outages)('(%s) the cache is used, and a note says so', async (problem, how) => {
    const before = await loadModel('hf://me/runs/one.safetensors');
    breakDown(how);
    const after = await loadModel('hf://me/runs/one.safetensors');
    expect(after.provenance).toEqual(before.provenance);
    expect(warnings).toHaveLength(1);
    for (const part of ['hf://me/runs: ', problem, `main is taken from the cache, at commit ${refs.main}`])
      expect(warnings[0]).toContain(part);
  });

  test.each(outages)('(%s) what is not in the cache is an error of the Hub', async (problem, how) => {
    breakDown(how);
    const error = await rejection(loadModel('hf://me/runs/one.safetensors'));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(error.message).toContain(problem);
  });

  test('folders and patterns stand for what the cache has', async () => {
    await loadModel('hf://me/runs/runs/step_2.safetensors');
    server.instead = statusOf(503);
    for (const path of ['runs', 'runs/*.safetensors', '**/step_*'])
      expect(await expandPaths([`hf://me/runs/${path}`])).toEqual([at('runs/step_2.safetensors')]);
    expect(warnings.join('\n')).toContain('the repository may have more');
    const error = await rejection(expandPaths(['hf://me/runs/gone*']));
    expect(error.message).toContain('not in the cache, and the Hub answered with status 503');
  });

  test('the command line prints each note once', async () => {
    await tensim(['inspect', 'hf://me/runs/one.safetensors']);
    server.instead = statusOf(503);
    const address = 'hf://me/runs/one.safetensors';
    const { code, stdout, stderr } = await tensim(['compare', address, address, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'tensim.compare/1' });
    expect(stderr).toMatch(/^note: hf:\/\/me\/runs: the Hub answered with status 503[^\n]*\n$/);
  });

  test('a program that does not listen has a warning of its process', async () => {
    await fetchFromHub('hf://me/runs/one.safetensors');
    server.instead = statusOf(503);
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await fetchFromHub('hf://me/runs/one.safetensors');
    expect(emit).not.toHaveBeenCalled();
    stopHearing();
    await fetchFromHub('hf://me/runs/one.safetensors');
    expect(emit).toHaveBeenCalledExactlyOnceWith(warnings[0], 'TensimWarning');
    expect(warnings).toHaveLength(1);
  });

  test('a server that keeps us waiting in vain is not asked for each address', async () => {
    const slow = new HubServer({ 'models/me/runs': { refs, files: { 'a.bin': Buffer.from('a') } } });
    vi.stubEnv('HF_ENDPOINT', await slow.start());
    onTestFinished(() => slow.stop());
    breakDown(() => vi.stubEnv('HF_HUB_ETAG_TIMEOUT', '3'));
    await fetchFromHub('hf://me/runs/a.bin');
    slow.requests.length = 0;
    slow.instead = () => true;
    for (let i = 0; i < 5; i++) await fetchFromHub('hf://me/runs/a.bin');
    expect(slow.requests).toHaveLength(1);
    expect(new Set(warnings).size).toBe(1);
    // What the cache has not must be asked for all the same.
    vi.stubEnv('HF_HUB_CACHE', join(root, 'another'));
    slow.instead = () => false;
    await fetchFromHub('hf://me/runs/a.bin');
  });

  test.each([401, 403, 404])('a status that is an answer (%i) is not passed over', async (status) => {
    await loadModel('hf://me/runs/one.safetensors');
    server.instead = statusOf(status);
    expect(await rejection(loadModel('hf://me/runs/one.safetensors'))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(warnings).toEqual([]);
  });

  test('but with a moment to wait, it is waited for', async () => {
    let asked = 0;
    server.instead = (request, response) => asked++ < 1 && statusOf(429, { 'retry-after': '1' })(request, response);
    const start = performance.now();
    await fetchFromHub('hf://me/runs/one.safetensors');
    expect(performance.now() - start).toBeGreaterThan(950);
    asked = 0;
    const date = new Date(Date.now() + 1500).toUTCString();
    server.instead = (request, response) => asked++ < 1 && statusOf(503, { 'retry-after': date })(request, response);
    await fetchFromHub('hf://me/runs/one.safetensors');
    expect(warnings).toEqual([]);
  });

  test.each(['3600', '1e9', 'soon', '-5', 'Fri, 31 Dec 2999 23:59:59 GMT', ''])(
    'nobody waits for %j seconds, nor for ever',
    async (retry) => {
      await fetchFromHub('hf://me/runs/one.safetensors');
      server.requests.length = 0;
      server.instead = statusOf(429, { 'retry-after': retry });
      const start = performance.now();
      await fetchFromHub('hf://me/runs/one.safetensors');
      expect(performance.now() - start).toBeLessThan(8000);
      expect(server.requests.length).toBeLessThan(4);
      expect(warnings).toHaveLength(1);
    },
  );
});

describe('a commit whose files are here', () => {
  test('is not asked for, neither its files nor what may be beside them', async () => {
    for (const path of ['one.safetensors', 'deep/model.safetensors', 'sharded/model.safetensors.index.json']) {
      const { path: local } = await fetchFromHub(at(path));
      server.requests.length = 0;
      expect(await fetchFromHub(at(path))).toEqual({ path: local, revision: refs.main });
      expect(await expandPaths([at(path)])).toEqual([at(path)]);
      expect(server.requests).toEqual([]);
    }
    server.instead = statusOf(503);
    expect((await loadModel(at('deep/model.safetensors'))).layers[1]).toMatchObject({ alpha: 0.75, beta: 0.25 });
    expect(warnings).toEqual([]);
  });

  test('by another program, without what is beside them: that is fetched', async () => {
    await fetchFromHub(at('deep/model.safetensors'));
    rmSync(join(snapshot, 'deep', 'config.json'));
    expect((await loadModel(at('deep/model.safetensors'))).layers[1]).toMatchObject({ alpha: 0.75, beta: 0.25 });
    rmSync(join(snapshot, 'sharded'), { recursive: true, force: true });
    await fetchFromHub(at('sharded/model.safetensors.index.json'));
    rmSync(join(snapshot, 'sharded', 'model-00002-of-00002.safetensors'));
    expect((await loadModel(at('sharded'))).parameterCount).toBe(20 * 40 + 20 * 20);
  });

  test('needs no cache that can be written', async () => {
    await fetchFromHub('hf://me/runs/one.safetensors');
    refs.v1 = refs.main as string;
    const folder = join(cache, 'models--me--runs', 'refs');
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'not a folder');
    await fetchFromHub('hf://me/runs@v1/one.safetensors');
    await fetchFromHub('hf://me/runs/one.safetensors');
  });
});

describe('offline', () => {
  test('a file, a folder, a repository and patterns are what the cache has of them', async () => {
    for (const path of ['one.safetensors', 'runs/step_1.safetensors', 'runs/step_2.safetensors'])
      await fetchFromHub(`hf://me/runs/${path}`);
    offline();
    server.requests.length = 0;
    const steps = [1, 2].map((step) => at(`runs/step_${step}.safetensors`));
    for (const pattern of ['runs', 'runs/', 'runs/*', '**/step_[0-9].safetensors'])
      expect(await expandPaths([`hf://me/runs/${pattern}`])).toEqual(steps);
    expect(await expandPaths(['hf://me/runs'])).toEqual([at('one.safetensors')]);
    expect((await loadModel('hf://me/runs')).provenance.revision).toBe(refs.main);
    expect((await tensim(['matrix', 'hf://me/runs/runs', '--json'])).code).toBe(0);
    expect(server.requests).toEqual([]);
    expect(warnings).toEqual([]);
  });

  test('TRANSFORMERS_OFFLINE says so too, unless HF_HUB_OFFLINE says otherwise', async () => {
    vi.stubEnv('TRANSFORMERS_OFFLINE', '1');
    expect((await rejection(fetchFromHub('hf://me/runs/one.safetensors'))).message).toContain(
      'TRANSFORMERS_OFFLINE is set',
    );
    vi.stubEnv('HF_HUB_OFFLINE', '0');
    await fetchFromHub('hf://me/runs/one.safetensors');
  });

  test.each(['hf://me/runs@refs/pr/1/one.safetensors', 'hf://me/runs@refs%2Fpr%2F1/one.safetensors'])(
    'a revision with slashes is found again: %s',
    async (address) => {
      const { path } = await fetchFromHub(address);
      expect(readFileSync(join(cache, 'models--me--runs', 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(refs.main);
      offline();
      expect((await fetchFromHub(address)).path).toBe(path);
    },
  );

  test('what is there of another time alone is named', async () => {
    await fetchFromHub('hf://me/runs/one.safetensors');
    const before = refs.main;
    refs.main = OLDER;
    await fetchFromHub('hf://me/runs/runs/step_1.safetensors');
    offline();
    const error = await rejection(fetchFromHub('hf://me/runs/one.safetensors'));
    expect(error.message).toContain('not in the cache, and HF_HUB_OFFLINE is set');
    expect(error.hint).toContain(`hf://me/runs@${before}/one.safetensors`);
    expect((await rejection(fetchFromHub('hf://me/runs/two.pt'))).hint).toContain('downloaded once');
    expect((await rejection(fetchFromHub('hf://me/other/two.pt'))).hint).toContain('downloaded once');
  });

  test('an index is nothing without its shards, and shards nothing without their index', async () => {
    await fetchFromHub('hf://me/runs/sharded');
    offline();
    expect((await loadModel('hf://me/runs/sharded')).parameterCount).toBe(20 * 40 + 20 * 20);
    const shard = join(snapshot, 'sharded', 'model-00002-of-00002.safetensors');
    rmSync(shard);
    for (const link of [false, true]) {
      if (link) symlinkSync('../../../blobs/gone', shard);
      const error = await rejection(loadModel('hf://me/runs/sharded'));
      expect(error).toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect(error.message).toContain(
        '"model-00002-of-00002.safetensors" is not in the cache, and HF_HUB_OFFLINE is set',
      );
    }
    rmSync(join(snapshot, 'sharded', 'model.safetensors.index.json'));
    for (const address of ['hf://me/runs/sharded', 'hf://me/runs/sharded/*'])
      expect((await rejection(expandPaths([address]))).message).toContain('not in the cache');
  });

  test('a model without the settings that may be beside it is read with a warning, once they are known to be none without', async () => {
    await fetchFromHub('hf://me/runs/deep/model.safetensors');
    await fetchFromHub('hf://me/runs/one.safetensors');
    rmSync(join(snapshot, 'deep', 'config.json'));
    offline();
    await fetchFromHub('hf://me/runs/one.safetensors');
    expect(warnings).toEqual([]);
    await fetchFromHub('hf://me/runs/deep/model.safetensors');
    expect(warnings).toEqual([
      expect.stringContaining(`${at('deep/model.safetensors')}: whether there is a config.json`),
    ]);
    const absent = join(cache, 'models--me--runs', '.no_exist', refs.main as string);
    expect(existsSync(join(absent, 'config.json'))).toBe(true);
    expect(existsSync(join(absent, 'deep', 'config.json'))).toBe(false);
  });

  test('a cache of copies is as good as one of links', async () => {
    await fetchFromHub('hf://me/runs/deep/model.safetensors');
    const copies = join(root, `copies-${caches}`);
    cpSync(cache, copies, { recursive: true, dereference: true });
    rmSync(join(copies, 'models--me--runs', 'blobs'), { recursive: true });
    vi.stubEnv('HF_HUB_CACHE', copies);
    offline();
    expect((await loadModel('hf://me/runs/deep')).layers[1]).toMatchObject({ alpha: 0.75, beta: 0.25 });
  });

  test('what is no folder of a commit in the cache is passed over', async () => {
    const folder = join(cache, 'models--me--runs', 'snapshots');
    mkdirSync(join(folder, 'main'), { recursive: true });
    writeFileSync(join(folder, 'main', 'one.safetensors'), '');
    writeFileSync(join(folder, COMMIT), 'a file');
    offline();
    expect((await rejection(fetchFromHub('hf://me/runs/one.safetensors'))).hint).toContain('downloaded once');
    expect(await rejection(fetchFromHub(`hf://me/runs@${COMMIT}`))).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
