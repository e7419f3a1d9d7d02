import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contract } from '../../lib/contraction/running/contract.js';
import { TensimError } from '../../lib/errors.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { loadAddon } from '../../lib/machines/addon.js';
import { createModel } from '../../lib/model/create.js';
import { explain } from '../../lib/similarity/explain/explain.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Tensor, TensorData } from '../../lib/tensor/tensor.js';

const found = loadAddon();
const absent = 'reason' in found || process.env.TENSIM_BACKEND === 'fallback';
const TRANSFERS = 'transfer' in ArrayBuffer.prototype;

/** The lines that a script beside this file prints in a process of its own, which may crash. */
function printed(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawnSync(process.execPath, ['--expose-gc', path, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect({ status: child.status, signal: child.signal, error: child.stderr }).toEqual({
    status: 0,
    signal: null,
    error: '',
  });
  return child.stdout;
}

describe.skipIf(absent)('memory that the addon reads', () => {
  const parting = [
    ...['cloned away', 'posted away', 'resizable, made smaller', 'resizable, cloned away'],
    ...(TRANSFERS ? ['transferred', 'transferred to a shorter one', 'transferred to a longer one'] : []),
  ];

  const asBefore = (way: string, wanted: string) => {
    const outcomes = JSON.parse(printed('parted.mjs', [way], { TENSIM_ARRAYS: wanted }));
    expect(new Set(Object.values(outcomes)), JSON.stringify(outcomes)).toEqual(new Set(['as before']));
  };
  it.each(parting)('is as it was at the call when it is %s while the call waits', (way) => asBefore(way, ''));
  it('is so too where it is copied, as outside of Node', () => asBefore('cloned away', 'copy'));

  it.each(['shared', 'growable'])('is refused where it is %s', (way) => {
    const outcomes = JSON.parse(printed('parted.mjs', [way]));
    expect(new Set(Object.values(outcomes)), JSON.stringify(outcomes)).toEqual(new Set(['INVALID_ARGUMENT']));
  });

  it('leaves loops over typed arrays as quick as they were before the addon was there', () => {
    const { before, after } = JSON.parse(printed('pace.mjs', []));
    // Once V8 has seen a detached array they take 1.8 times as long.
    expect(after).toBeLessThan(1.4 * before);
  });

  it('is allocated where there is none by an error, not by the end of the process', () => {
    const lines = printed('too_large.mjs', []).trimEnd().split('\n');
    expect(lines).toHaveLength(11);
    for (const line of lines) expect(line).toMatch(/: MEMORY_LIMIT$/);
  });

  it.skipIf(process.platform === 'win32')('is held without a copy in the versions in which that was tried', () => {
    const major = Number(process.versions.node.split('.')[0]);
    if ('reason' in found) return;
    expect(found.info.arrays).toBe(major === 20 || major === 24 ? 'held' : 'copied');
  });
});

type Memory = (bytes: number) => ArrayBufferLike;
interface Way {
  readonly memory: Memory;
  part(buffer: ArrayBufferLike): void;
}

/** Not all of these are known to the types of the oldest Node. */
const Resizable = ArrayBuffer as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
const Growable = SharedArrayBuffer as new (bytes: number, options: { maxByteLength: number }) => SharedArrayBuffer;
const moved = (buffer: ArrayBufferLike) => structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });

const ways: Record<string, Way> = {
  transferred: { memory: (bytes) => new ArrayBuffer(bytes), part: moved },
  'made smaller': {
    memory: (bytes) => new Resizable(bytes, { maxByteLength: bytes }),
    part: (buffer) => (buffer as unknown as { resize(bytes: number): void }).resize(8),
  },
  shared: { memory: (bytes) => new SharedArrayBuffer(bytes), part: () => {} },
  grown: {
    memory: (bytes) => new Growable(bytes, { maxByteLength: 2 * bytes }),
    part: (buffer) => (buffer as unknown as { grow(bytes: number): void }).grow(2 * buffer.byteLength),
  },
};

const backends = absent ? (['fallback'] as const) : (['native', 'fallback'] as const);

describe.each(backends)('arrays of callers, on %s', (backend) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tensim-boundary-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  type Make = (rows: number, columns: number) => Tensor;
  const [inputs, hidden, outputs] = [48, 64, 3];
  const model = (of: Make) =>
    createModel({
      layers: [{ type: 'bilinear', left: of(hidden, inputs), right: of(hidden, inputs), down: of(outputs, hidden) }],
    });
  /** Enough operands that the whole takes the event loop's turns, given a chance. */
  const calls: Record<string, (of: Make) => Promise<unknown>> = {
    contract: async (of) => bytesOf((await contract('ij,jk->ik', [of(300, 300), of(300, 300)], { backend })).data),
    'contract in another type': async (of) =>
      bytesOf((await contract('ij,jk->ik', [of(300, 300), of(300, 300)], { backend, dtype: 'float32' })).data),
    evaluate: async (of) => bytesOf((await evaluate(model(of), of(500, inputs), { backend })).data),
    similarity: async (of) => (await similarity(model(of), model(of), { backend })).similarity,
    'similarity of weights': async (of) =>
      (await similarity(model(of), model(of), { backend, measure: 'weights' })).similarity,
    'similarity under a law': async (of) => {
      const cov = { data: of(inputs, inputs).data.fill(0), shape: [inputs, inputs] };
      for (let i = 0; i < inputs; i++) cov.data[i * (inputs + 1)] = 1;
      return (await similarity(model(of), model(of), { backend, input: { mean: of(1, inputs).data, cov } as never }))
        .similarity;
    },
    'sampled similarity': async (of) =>
      (await similarity(model(of), model(of), { backend, method: 'sampled', maxSamples: 4000, tolerance: 0.5 }))
        .similarity,
    similarityMatrix: async (of) => (await similarityMatrix([model(of), model(of)], { backend })).cosine,
    explain: async (of) => (await explain(model(of), model(of), { backend, top: 2 })).similarity,
    writeSafetensors: async (of) => {
      const path = join(folder, 'written.safetensors');
      await writeSafetensors(path, { a: of(300, 1000), b: of(300, 1000) });
      return digestOf(await readFile(path));
    },
  };

  describe.each(Object.keys(calls))('given to %s', (name) => {
    let expected: unknown;
    beforeAll(async () => {
      expected = await calls[name](maker((bytes) => new ArrayBuffer(bytes)).of);
    });

    it.each(Object.keys(ways))('may be %s at any moment: the same result, or a TensimError', async (kind) => {
      const { memory, part } = ways[kind];
      for (const turns of [0, 2, 10]) {
        const { of, buffers } = maker(memory);
        const pending = calls[name](of);
        const outcome = pending.then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        );
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        for (const buffer of buffers) part(buffer);
        const result = await outcome;
        if ('error' in result) {
          expect(result.error).toBeInstanceOf(TensimError);
          expect(['transferred', 'made smaller', 'grown']).toContain(kind);
          expect((result.error as TensimError).code, String((result.error as Error).stack)).toMatch(
            /^(INVALID_ARGUMENT|SHAPE_MISMATCH)$/,
          );
        } else expect(result.value).toEqual(expected);
      }
    });
  });

  it('gives MEMORY_LIMIT for a result that memory has no room for', async () => {
    const repeated = { data: new Float64Array(1), shape: [100_000], strides: [0] };
    await expect(contract('i,j->ij', [repeated, repeated], { backend })).rejects.toMatchObject({
      name: 'TensimError',
      code: 'MEMORY_LIMIT',
      hint: expect.any(String),
    });
  });
});

const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData) =>
  digestOf(new Uint8Array(buffer, byteOffset, byteLength));

/** Makes tensors of some kind of memory, the same numbers whenever it is asked anew. */
function maker(memory: Memory): { of(rows: number, columns: number): Tensor; readonly buffers: ArrayBufferLike[] } {
  const buffers: ArrayBufferLike[] = [];
  return {
    buffers,
    of(rows, columns) {
      const data = new Float64Array(memory(8 * rows * columns));
      for (let i = 0; i < data.length; i++) data[i] = Math.sin(1 + i + buffers.length);
      buffers.push(data.buffer);
      return { data, shape: [rows, columns] };
    },
  };
}
