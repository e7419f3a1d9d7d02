import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { addressOf } from '../../lib/workers/address.js';
import { matrixByWorkers } from '../../lib/workers/matrix.js';
import { runWorker } from '../../lib/workers/worker.js';
import { hasRedis, redisServer } from '../../scripts/redis.mjs';
import { step, tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';

/** So that tiles of little files are large. */
vi.mock('../../lib/workers/records.js', async (original) => ({
  ...(await original<typeof import('../../lib/workers/records.js')>()),
  MOST_IN_REDIS: 1400,
}));

const root = temporaryFolder();
const SECRET = 'a-secret-0815';
const FILES = [0, 6000, 6200, 8000].map(step);
const OPTIONS = { perOutput: true, backend: 'fallback' } as const;

afterEach(() => vi.unstubAllEnvs());

/** What an error says, whoever looks at it. */
const allOf = (error: unknown) => `${(error as Error).stack} ${JSON.stringify(error)} ${String(error)}`;
const failing = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => error as Error & { code: string },
  );

describe('the address of a queue', () => {
  it('is read with what the environment says', () => {
    expect(addressOf('redis://10.0.0.5', {})).toMatchObject({ host: '10.0.0.5', port: 6379, db: 0, tls: undefined });
    const env = { TENSIM_QUEUE_PASSWORD: SECRET, TENSIM_QUEUE_USERNAME: 'me', TENSIM_QUEUE_CA: 'ca.pem' };
    const address = addressOf('rediss://[::1]:7000/3', env);
    expect(address).toMatchObject({ host: '::1', port: 7000, db: 3, username: 'me', password: SECRET });
    expect(address).toMatchObject({ tls: { ca: 'ca.pem' }, shown: 'rediss://[::1]:7000/3' });
    expect(addressOf({ url: `redis://u:${SECRET}@host/`, password: undefined }, {})).toMatchObject({
      ...{ username: 'u', password: SECRET, shown: 'redis://host:6379/0' },
    });
  });

  it.each([
    ['host', 'it is no address'],
    [`http://:${SECRET}@host`, 'it does not begin with redis:// or rediss://'],
    [`redis://:${SECRET}@host/name`, 'its database is no number'],
    [`redis://:${SECRET}@/1`, 'it is no address'],
  ])('%s is refused without a word of it', async (url, why) => {
    const error = await failing(runWorker({ queue: url }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(why) });
    expect(allOf(error)).not.toContain(SECRET);
  });
});

describe('on the command line', () => {
  it.each([
    ['worker', '--queue', `redis://:${SECRET}@localhost/0`],
    ['worker', '--queue', `http://:${SECRET}@localhost/0`],
    ['matrix', ...FILES, '--queue', `redis://:${SECRET}@localhost/0`],
  ])('%s takes no password, and does not repeat it', async (...args) => {
    const { code, stdout, stderr } = await tensim(args);
    expect(code).toBe(2);
    expect(stdout + stderr).not.toContain(SECRET);
    expect(stderr.split('\n').length).toBeLessThanOrEqual(4);
  });

  it('options about workers are refused where none are asked for', async () => {
    const { code, stderr } = await tensim(['matrix', ...FILES, '--mixed']);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('--mixed is about workers') });
  });

  it('a server that is not there is told at once', async () => {
    const { code, stderr } = await tensim(['worker', '--queue', 'redis://127.0.0.1:1/0'], { terminal: true });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^tensim: the queue redis:\/\/127\.0\.0\.1:1\/0 cannot be used\n {2}why: .*ECONNREFUSED/);
  });

  it('packages that are not there are told with the line that installs them', async () => {
    vi.doMock('bullmq', () => {
      throw new Error("Cannot find package 'bullmq'");
    });
    const { code, stderr } = await tensim(['worker', '--queue', 'redis://127.0.0.1:1/0']);
    vi.doUnmock('bullmq');
    expect(code).toBe(2);
    expect(stderr).toContain('npm install bullmq ioredis');
  });

  it.skipIf(!hasRedis)('a matrix is printed as it is without workers, and the worker stops as it is told', async () => {
    const redis = await redisServer();
    const stop = new AbortController();
    const queue = ['--queue', redis.url, '--backend', 'fallback'];
    const worker = tensim(['worker', ...queue, '--verbose'], { signal: stop.signal });
    const args = ['matrix', ...FILES, '--backend', 'fallback'];
    const [by, here] = [await tensim([...args, ...queue, '--verbose']), await tensim(args)];
    expect(by).toMatchObject({ code: 0, stdout: here.stdout });
    expect(by.stderr).toMatch(/worker \S+ \(fallback\): 1 tile in /);
    stop.abort();
    const { code, stdout, stderr } = await worker;
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(
      /waits for tiles of fallback in redis:.*\nbegun tile 0 .*\ndone tile 0 .*\nstopped: 1 tile comp/,
    );
    await redis.remove();
  });
});

describe.skipIf(!hasRedis)('a server', () => {
  it('with a password takes the one in the environment, and nobody is told it', async () => {
    const redis = await redisServer(['--requirepass', SECRET]);
    try {
      const none = await failing(runWorker({ queue: redis.url, maxIdle: 0 }));
      expect(none).toMatchObject({
        code: 'QUEUE_UNAVAILABLE',
        message: expect.stringContaining('TENSIM_QUEUE_PASSWORD'),
      });
      const wrong = await failing(runWorker({ queue: { url: redis.url, password: `${SECRET}-not` }, maxIdle: 0 }));
      expect(wrong).toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
      expect(allOf(wrong)).not.toContain(SECRET);
      vi.stubEnv('TENSIM_QUEUE_PASSWORD', SECRET);
      await expect(runWorker({ queue: redis.url, maxIdle: 0 })).resolves.toEqual({ done: 0, returned: 0 });
    } finally {
      await redis.remove();
    }
  });

  it('behind TLS is reached with the authority of its certificate', async ({ skip }) => {
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(root, name));
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert];
    if (spawnSync('openssl', [...made, ...subject]).status !== 0) skip('there is no openssl');
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    const redis = await redisServer([...files, '--tls-auth-clients', 'no'], { tls: true }).catch(() => null);
    if (redis === null) return skip('this redis-server knows no TLS');
    try {
      const unknown = await failing(runWorker({ queue: redis.url, maxIdle: 0 }));
      expect(unknown).toMatchObject({ code: 'QUEUE_UNAVAILABLE', message: expect.stringContaining('TENSIM_QUEUE_CA') });
      vi.stubEnv('TENSIM_QUEUE_CA', cert);
      const stop = new AbortController();
      const worker = runWorker({ queue: redis.url, backend: 'fallback', signal: stop.signal });
      const by = await matrixByWorkers(FILES, { backend: 'fallback', queue: redis.url });
      stop.abort();
      await worker;
      expect(by.workers).toHaveLength(1);
    } finally {
      await redis.remove();
    }
  });

  it('is not passed by tiles that are too large for it, which go through a folder', async () => {
    const redis = await redisServer();
    const results = join(root, 'results');
    mkdirSync(results);
    writeFileSync(join(results, 'other'), '');
    const asking = async (folder: { readonly results?: string }) => {
      const stop = new AbortController();
      const worker = runWorker({ queue: redis.url, backend: 'fallback', signal: stop.signal, ...folder });
      try {
        return await matrixByWorkers(FILES, { ...OPTIONS, queue: redis.url, results, tileSeconds: 100 });
      } finally {
        stop.abort();
        await worker;
      }
    };
    const without = { code: 'WORKER_FAILED', message: expect.stringContaining('Start the worker with --results DIR') };
    await expect(asking({})).rejects.toMatchObject(without);
    const by = await asking({ results });
    await redis.remove();
    const here = await similarityMatrix(FILES, OPTIONS);
    expect(JSON.stringify({ ...by, workers: null, work: null })).toBe(
      JSON.stringify({ ...here, workers: null, work: null }),
    );
    expect(by.workers).toMatchObject([{ tiles: 1 }]);
    expect(readdirSync(results)).toEqual(['other']);
  });
});
