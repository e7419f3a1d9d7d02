import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadInputs } from '../../lib/evaluation/inputs_file.js';
import { isHubAddress, parseAddress } from '../../lib/hub/address.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, deepShapes, writeCheckpoint } from '../model/helpers.js';
import { HubServer } from './server.js';
import { shardedFiles } from './sharded_files.js';

const root = temporaryFolder();
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const OLDER = 'fedcba9876543210fedcba9876543210fedcba98';
const TOKEN = 'hf_a-token-that-nobody-may-see';
const REVISIONS = { main: COMMIT, v1: OLDER, 'refs/pr/1': OLDER };

let server: HubServer;
let caches = 0;
let cache: string;

beforeAll(async () => {
  const bytes = async (
    name: string,
    ...rest: [shapes: Parameters<typeof writeCheckpoint>[2], metadata?: Record<string, string>]
  ) => readFileSync(await writeCheckpoint(root, name, ...rest));
  const steps = await Promise.all(
    [1, 20, 3].map(async (step) => [
      `runs/a/step_${step}.safetensors`,
      await bytes(`s${step}.safetensors`, bilinearShapes(4, 3, 2), { step: `${step}` }),
    ]),
  );
  const pytorch = readFileSync('test/formats/pytorch/fixtures/model.bin');
  server = new HubServer({
    'models/me/runs': {
      refs: REVISIONS,
      files: {
        ...Object.fromEntries(steps),
        'runs/b/step_1.pt': pytorch,
        'runs/b/notes.txt': Buffer.from('not a checkpoint'),
        'deep/model.safetensors': await bytes('d.safetensors', deepShapes(1)),
        'deep/config.json': Buffer.from('{"scale": 0.25}'),
        ...(await shardedFiles(bytes)),
        'described/model.json': Buffer.from(
          JSON.stringify({
            schema: 'tensim.model/1',
            weights: '../one.safetensors',
            layers: [{ type: 'bilinear', leftRight: 'bi_linear.weight', down: 'projection.weight' }],
          }),
        ),
        'described/outside.json': Buffer.from(
          JSON.stringify({
            schema: 'tensim.model/1',
            weights: '../../x.pt',
            layers: [{ type: 'linear', weight: 'w' }],
          }),
        ),
        'one.safetensors': await bytes('o.safetensors', bilinearShapes()),
      },
    },
    'models/me/private': { refs: REVISIONS, files: { 'model.pt': pytorch }, token: TOKEN },
    'datasets/me/digits': {
      refs: REVISIONS,
      files: {
        'x/inputs.npz': readFileSync('test/formats/numpy/fixtures/others.npz'),
        'x/alone.pt': readFileSync('test/formats/pytorch/fixtures/alone.pt'),
      },
    },
  });
  vi.stubEnv('HF_ENDPOINT', await server.start());
});
afterAll(() => server.stop());

beforeEach(() => {
  cache = join(root, `cache-${caches++}`);
  vi.stubEnv('HF_HUB_CACHE', cache);
  // Who runs the tests may be logged in.
  vi.stubEnv('HF_HOME', join(root, 'home'));
  server.requests.length = 0;
  server.tokens.length = 0;
  server.faults = {};
});
afterEach(() => {
  vi.stubEnv('HF_TOKEN', undefined);
  vi.stubEnv('HF_HUB_OFFLINE', undefined);
});

const downloads = () => server.requests.filter((request) => request.includes('/resolve/'));

describe('an address', () => {
  test.each([
    ['hf://me/runs', { type: 'model', repository: 'me/runs', revision: undefined, path: '' }],
    ['hf://me/runs/a/b.pt', { type: 'model', repository: 'me/runs', revision: undefined, path: 'a/b.pt' }],
    ['hf://me/runs@v1.0/a.pt', { type: 'model', repository: 'me/runs', revision: 'v1.0', path: 'a.pt' }],
    ['hf://me/runs@refs%2Fpr%2F1/', { type: 'model', repository: 'me/runs', revision: 'refs/pr/1', path: '' }],
    ['hf://datasets/me/digits/x.npy', { type: 'dataset', repository: 'me/digits', revision: undefined, path: 'x.npy' }],
  ])('%s', (text, address) => {
    expect(isHubAddress(text)).toBe(true);
    expect(parseAddress(text)).toEqual(address);
  });

  test.each([
    ...[
      'hf://',
      'hf://runs',
      'hf://me/',
      'hf://../runs/x',
      'hf://me/../x',
      'hf://me/runs/../../x',
      'hf://me/runs/a//b',
    ],
    ...[
      'hf://me/runs@/x',
      'hf://me/runs@..%2F..%2Fx/y',
      'hf://me/runs/a\\..\\b',
      'hf://me/runs/\u0000',
      'hf://me/ru ns/x',
      'hf://datasets/me',
    ],
  ])('%j is none', async (text) => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(await rejection(loadModel(text))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(server.requests).toEqual([]);
  });
});

describe('a model on the Hub', () => {
  test('is loaded, with the commit in its provenance, and from the cache the next time', async () => {
    const address = 'hf://me/runs/runs/a/step_1.safetensors';
    const model = await loadModel(address);
    expect(model).toMatchObject({
      label: 'step_1',
      family: 'bilinear',
      provenance: { file: address, revision: COMMIT },
    });
    expect(downloads()).not.toEqual([]);
    const snapshot = join(cache, 'models--me--runs', 'snapshots', COMMIT, 'runs', 'a', 'step_1.safetensors');
    expect(existsSync(snapshot)).toBe(true);
    expect(readFileSync(join(cache, 'models--me--runs', 'refs', 'main'), 'utf8')).toBe(COMMIT);
    server.requests.length = 0;
    expect((await loadModel(address)).provenance).toEqual(model.provenance);
    expect(downloads()).toEqual([]);
  });

  test('is that of its revision', async () => {
    for (const revision of ['v1', 'refs%2Fpr%2F1', OLDER])
      expect((await loadModel(`hf://me/runs@${revision}/one.safetensors`)).provenance.revision).toBe(OLDER);
  });

  test('has its settings from the config.json beside it', async () => {
    expect((await loadModel('hf://me/runs/deep')).layers[1]).toMatchObject({ alpha: 0.75, beta: 0.25 });
  });

  test('may be sharded: the index brings its shards', async () => {
    const whole = await loadModel('hf://me/runs/sharded/model.safetensors.index.json');
    expect(whole.parameterCount).toBe(20 * 40 + 20 * 20);
    expect((await loadModel('hf://me/runs/sharded')).provenance.sha256).toBe(whole.provenance.sha256);
  });

  test('may be described by a model.json that names its weights, in the repository and not outside', async () => {
    const address = 'hf://me/runs@v1/described/model.json';
    expect(await loadModel(address)).toMatchObject({
      family: 'custom',
      provenance: { file: address, revision: OLDER },
    });
    expect(await rejection(loadModel('hf://me/runs/described/outside.json'))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('is inspected with its commit', async () => {
    expect(await inspect('hf://me/runs/runs/b/step_1.pt')).toMatchObject({
      revision: COMMIT,
      family: 'bilinear',
      problems: [],
    });
    const { stdout } = await tensim(['inspect', 'hf://me/runs/runs/b/step_1.pt']);
    expect(stdout).toContain(`commit      ${COMMIT}`);
  });

  test('and inputs in a dataset', async () => {
    expect((await loadInputs('hf://datasets/me/digits/x/alone.pt')).shape).toEqual([2, 3]);
    expect(existsSync(join(cache, 'datasets--me--digits', 'snapshots', COMMIT, 'x', 'alone.pt'))).toBe(true);
  });
});

describe('patterns and folders on the Hub', () => {
  const at = (path: string) => `hf://me/runs@${COMMIT}/${path}`;

  test('stand for their checkpoints at one commit, in the order of their steps', async () => {
    const steps = [1, 3, 20].map((step) => at(`runs/a/step_${step}.safetensors`));
    expect(await expandPaths(['hf://me/runs/runs/a/*.safetensors'])).toEqual(steps);
    expect(await expandPaths(['hf://me/runs/runs/a'])).toEqual(steps);
    expect(await expandPaths(['hf://me/runs/runs/a/', steps[1]])).toEqual(steps);
    expect(await expandPaths(['hf://me/runs/**/step_1.*'])).toEqual([
      at('runs/a/step_1.safetensors'),
      at('runs/b/step_1.pt'),
    ]);
    expect(await expandPaths(['hf://me/runs/sharded/*'])).toEqual([at('sharded/model.safetensors.index.json')]);
    expect(await expandPaths(['hf://me/runs'])).toEqual([at('one.safetensors')]);
  });

  test('are compared', async () => {
    const { code, stdout } = await tensim(['matrix', 'hf://me/runs/runs/a', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).labels).toEqual(['step_1', 'step_3', 'step_20']);
  });

  test.each([
    ['hf://me/runs/*.onnx', 'no checkpoint matches'],
    ['hf://me/runs/runs', 'no checkpoint in this folder'],
    ['hf://me/runs/gone.pt', 'no such file or folder in the repository'],
    ['hf://me/gone/x.pt', 'no such repository, revision or folder'],
    ['hf://me/runs@gone/x.pt', 'no such repository, revision or folder'],
  ])('%s is nothing', async (pattern, message) => {
    const error = await rejection(expandPaths([pattern]));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(error.message).toContain(message);
    expect(error.message).toContain('hf://me/');
  });

  test('many checkpoints are not one', async () => {
    expect(await rejection(loadModel('hf://me/runs/runs/a'))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('a token', () => {
  test('is taken from HF_TOKEN, and is nowhere else to be seen', async () => {
    const address = 'hf://me/private/model.pt';
    const refused = await tensim(['inspect', address]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('set HF_TOKEN');
    expect(server.tokens).toEqual([]);
    vi.stubEnv('HF_TOKEN', TOKEN);
    const { code, stdout, stderr } = await tensim(['inspect', address, '--json']);
    expect(code).toBe(0);
    expect(server.tokens).not.toEqual([]);
    expect(stdout + stderr).not.toContain(TOKEN);
    for (const name of readdirSync(cache, { recursive: true, withFileTypes: true }))
      if (name.isFile()) expect(readFileSync(join(name.parentPath, name.name)).includes(TOKEN)).toBe(false);
  });

  test('that is wrong is not told either', async () => {
    vi.stubEnv('HF_TOKEN', `${TOKEN}-of-others`);
    const error = await rejection(loadModel('hf://me/private/model.pt'));
    expect(error.message).toContain('status 401');
    vi.stubEnv('HF_TOKEN', 'my-password');
    const other = await rejection(loadModel('hf://me/private/model.pt'));
    expect(other).toMatchObject({ code: 'INVALID_ARGUMENT' });
    for (const { message, stack = '' } of [error, other])
      for (const secret of [TOKEN, 'my-password']) expect(message + stack).not.toContain(secret);
  });
});

describe('a download', () => {
  const address = 'hf://me/runs/sharded/model-00001-of-00002.safetensors';
  const path = 'sharded/model-00001-of-00002.safetensors';
  const left = () =>
    existsSync(cache)
      ? readdirSync(cache, { recursive: true }).filter((name) => /\.tmp$|blobs.[0-9a-f]{64}/.test(String(name)))
      : [];

  test.each(['short', 'changed'] as const)('that comes %s is refused, and leaves nothing behind', async (fault) => {
    server.faults = { [path]: fault };
    const error = await rejection(loadModel(address));
    expect(['INVALID_FILE', 'FILE_NOT_FOUND']).toContain(error.code);
    expect(left()).toEqual([]);
  });

  test('that hangs is aborted', async () => {
    server.faults = { [path]: 'hangs' };
    const reason = new Error('enough');
    const controller = new AbortController();
    const loading = loadModel(address, { signal: controller.signal });
    await vi.waitFor(() => expect(left()).not.toEqual([]));
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
    expect(left()).toEqual([]);
  });

  test('never leaves the cache, whatever paths are listed', async () => {
    server.faults = { 'x/inputs.npz': 'climbs' };
    const error = await rejection(loadInputs(`hf://datasets/me/digits@v1/x/alone.pt`));
    expect(error.message).toContain('listed what can be no file');
  });

  test('by two at once is one file', async () => {
    const [a, b] = await Promise.all([
      loadModel('hf://me/runs/one.safetensors'),
      loadModel('hf://me/runs/one.safetensors'),
    ]);
    expect(a.provenance).toEqual(b.provenance);
    expect(left().filter((name) => String(name).endsWith('.tmp'))).toEqual([]);
  });

  test('is not needed offline, if the file is there', async () => {
    await loadModel('hf://me/runs/one.safetensors');
    server.requests.length = 0;
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect((await loadModel('hf://me/runs/one.safetensors')).provenance.revision).toBe(COMMIT);
    expect(await rejection(loadModel('hf://me/runs/runs/b/step_1.pt'))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(await rejection(loadModel('hf://me/runs@v1/one.safetensors'))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(server.requests).toEqual([]);
  });

  test('needs a server', async () => {
    const endpoint = process.env.HF_ENDPOINT;
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1');
    const error = await rejection(loadModel('hf://me/runs/one.safetensors'));
    vi.stubEnv('HF_ENDPOINT', endpoint);
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(error.message).toContain('cannot be reached');
  });

  test('needs a cache that can be written', async () => {
    mkdirSync(root, { recursive: true });
    vi.stubEnv('HF_HUB_CACHE', 'package.json');
    expect(await rejection(loadModel('hf://me/runs/one.safetensors'))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
