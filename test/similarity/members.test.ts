import { renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { KeptModels, roomToKeep } from '../../lib/similarity/members/kept.js';
import { openMembers } from '../../lib/similarity/members/members.js';
import { settleMatrix } from '../../lib/similarity/terms/matrix_options.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, counting, writeCheckpoint } from '../model/helpers.js';

const folder = temporaryFolder();
const path = join(folder, 'model.safetensors');
const CHANGED = {
  code: 'FILE_CHANGED',
  file: path,
  message: expect.stringMatching(/has changed while it was compared/),
};

/** Writes the model, its numbers counted from `start`. */
async function write(start: number): Promise<void> {
  const tensors = new Map(Object.entries(bilinearShapes()).map(([name, shape]) => [name, counting(shape, start)]));
  await writeCheckpoint(folder, 'model.safetensors', tensors);
}

/** The member of the file, opened when its times were old enough to tell of every change, or when they were new. */
async function opened({ kept, settled = true }: { kept: boolean; settled?: boolean }) {
  await write(1);
  const now = Date.now() + (settled ? 60_000 : 0);
  vi.spyOn(Date, 'now').mockReturnValue(now);
  const [member] = await openMembers([path], { kept: new KeptModels(kept ? 1e6 : 0) });
  vi.restoreAllMocks();
  return member;
}

afterEach(() => {
  vi.restoreAllMocks();
});

const WAYS = [{ kept: true }, { kept: false }, { kept: false, settled: false }] as const;

describe.each(WAYS)('the weights of a file, %o,', (way) => {
  it('are those that it had when it was opened, however often they are asked for', async () => {
    const member = await opened(way);
    for (let i = 0; i < 3; i++) {
      const { parameters, provenance } = await member.load();
      expect(provenance).toEqual(member.outline.provenance);
      expect(parameters.get('bi_linear.weight')).toEqual(counting([6, 4], 1));
    }
  });

  it('are refused after other weights were written over them', async () => {
    const member = await opened(way);
    await write(2);
    expect(await rejection(member.load())).toMatchObject(CHANGED);
  });

  it('are refused where another file took its place, and where there is none', async () => {
    const member = await opened(way);
    await write(3);
    const size = statSync(path).size;
    renameSync(path, `${path}.new`);
    await write(1);
    renameSync(`${path}.new`, path);
    expect(statSync(path).size).toBe(size);
    expect(await rejection(member.load())).toMatchObject(CHANGED);
    rmSync(path);
    expect(await rejection(member.load())).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('are refused though size and time of the file are what they were', async () => {
    const member = await opened(way);
    const { atime, mtime, size } = statSync(path);
    await write(2);
    utimesSync(path, atime, mtime);
    expect(statSync(path)).toMatchObject({ size, mtime });
    expect(await rejection(member.load())).toMatchObject(CHANGED);
  });

  it('are taken from a file that was touched, or written once more as it was', async () => {
    const member = await opened(way);
    utimesSync(path, new Date(), new Date(2_000_000_000_000));
    expect((await member.load()).provenance.sha256).toBe(member.outline.provenance.sha256);
    await write(1);
    expect((await member.load()).parameters.get('bi_linear.weight')).toEqual(counting([6, 4], 1));
  });
});

describe('weights that are read when a file is opened', () => {
  it('are kept as far as there is room, given once, and let go', async () => {
    await write(1);
    const kept = new KeptModels(1000);
    const bytes = 8 * (6 * 4 + 2 * 3);
    const taken = vi.spyOn(kept, 'take');
    const [member] = await openMembers([path], { kept });
    expect(kept.claim(1001 - bytes)).toBe(false);
    expect(kept.claim(1000 - bytes)).toBe(true);
    await member.load();
    await member.load();
    expect(taken.mock.results.map(({ value }) => value !== undefined)).toEqual([true, false]);
    const [other] = await openMembers([path], { kept: new KeptModels(bytes) });
    other.release();
    expect((await other.load()).provenance.sha256).toBe(member.outline.provenance.sha256);
  });

  it('are not kept if they are no numbers: that is said when they are asked for', async () => {
    const weights = new Map(Object.entries(bilinearShapes()).map(([name, shape]) => [name, counting(shape)]));
    weights.get('projection.weight')!.data[1] = Number.NaN;
    await writeCheckpoint(folder, 'model.safetensors', weights);
    const [member] = await openMembers([path], { kept: new KeptModels(1e6) });
    expect(await rejection(member.load())).toMatchObject({
      code: 'NOT_FINITE',
      tensor: 'projection.weight',
      file: path,
    });
    await write(1);
    const [sound] = await openMembers([path], { kept: new KeptModels(1e6) });
    expect(sound.outline.provenance.sha256).not.toBe(member.outline.provenance.sha256);
  });

  it('take a part of the memory, and little of a limit or where outputs are compared', () => {
    const free = settleMatrix({}).freeMemory;
    expect(free).toBeGreaterThan(2 ** 26);
    const room = (options: Parameters<typeof settleMatrix>[0]) => roomToKeep(settleMatrix(options));
    expect(room({})).toBeLessThanOrEqual(0.26 * free);
    expect(room({})).toBeGreaterThan(0.2 * free);
    expect(room({ memoryLimit: '64MiB' })).toBe(2 ** 22);
    expect(room({ measure: 'behavioural' })).toBeLessThanOrEqual(2 ** 28);
  });

  it('change no bit of a matrix', async () => {
    const paths: string[] = [];
    for (const start of [5, 1, 9, 1]) {
      await write(start);
      const own = join(folder, `m${paths.length}.safetensors`);
      renameSync(path, own);
      paths.push(own);
    }
    const whole = await similarityMatrix(paths);
    const limited = await similarityMatrix(paths, { memoryLimit: 20_000 });
    expect(limited.gram).toEqual(whole.gram);
    expect(whole.work).toMatchObject({ prepared: 3, same: [['m1', 'm3']] });
  });
});
