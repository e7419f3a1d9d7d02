import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { convert } from '../../lib/formats/convert.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { SourceFile } from '../../lib/formats/source_file.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { openMembers } from '../../lib/similarity/members/members.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, counting, writeCheckpoint } from './helpers.js';

// What pauses before it reads again does so here too, but shortly.
vi.mock('node:timers/promises', async (original) => {
  const timers = await original<typeof import('node:timers/promises')>();
  return { ...timers, setTimeout: (ms: number) => timers.setTimeout(Math.min(ms, 20)) };
});

const folder = temporaryFolder();
const usual = join(folder, 'model.safetensors');
/** The file that is read. */
let path = usual;
const other = join(folder, 'other.safetensors');

/** A model whose numbers count from `start`. */
const tensorsFrom = (start: number) =>
  new Map(Object.entries(bilinearShapes()).map(([name, shape]) => [name, counting(shape, start)]));

/** The bytes of its file. */
async function bytesFrom(start: number): Promise<Buffer> {
  await writeSafetensors(other, tensorsFrom(start));
  return readFileSync(other);
}

/** Writes over what is there, as a program does that has the file open. */
function overwrite(bytes: Buffer, from = 0): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, from, bytes.length - from, from);
  closeSync(file);
}

/** Old enough for the next write to move the times of a file. */
const OLD = 150;

/** Files of the numbers from 1 that are old enough: waited for together, and each taken once. */
const prepared = Array.from({ length: 12 * 4 }, (_, i) => join(folder, `prepared-${i}.safetensors`));
beforeAll(async () => {
  const bytes = await bytesFrom(1);
  for (const file of prepared) writeFileSync(file, bytes);
  await pause(OLD);
});

/** From here to the end of the test, a file is read that holds the numbers from 1. */
function takePrepared(): void {
  path = prepared.pop()!;
}

/** A pause that is as long as it says. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until the times of the file are old enough for the next write to move them. */
async function settle(): Promise<void> {
  await pause(Math.max(0, statSync(path).ctimeMs + OLD - Date.now()));
}

/** Has `change` happen after so many reads of the file, `times` times; counts how often it was opened. */
function whileRead(change: (time: number) => void, times: number, after = 3): { opened: number } {
  const reads = new WeakMap<SourceFile, number>();
  const seen = { opened: 0 };
  const { read } = SourceFile.prototype;
  vi.spyOn(SourceFile.prototype, 'read').mockImplementation(async function (this: SourceFile, ...args) {
    await read.apply(this, args);
    if (this.path !== path) return;
    const count = (reads.get(this) ?? 0) + 1;
    reads.set(this, count);
    if (count === 1) seen.opened++;
    if (count === after && seen.opened <= times) change(seen.opened);
  });
  return seen;
}

afterEach(() => {
  path = usual;
  vi.restoreAllMocks();
});

type Change = (next: Buffer) => void;

const CHANGES: Readonly<Record<string, Change>> = {
  'rewritten in place': (next) => overwrite(next),
  'rewritten in its last numbers': (next) => overwrite(next, next.length - 8),
  'cut off and written anew': (next) => writeFileSync(path, next),
  'replaced by another': (next) => {
    writeFileSync(`${path}.new`, next);
    renameSync(`${path}.new`, path);
  },
  'rewritten in place, with the times that it had,': (next) => {
    const { atime, mtime } = statSync(path);
    overwrite(next);
    utimesSync(path, atime, mtime);
  },
};

/** What reads a model, and the numbers of its first tensor. */
const READERS: Readonly<Record<string, () => Promise<unknown>>> = {
  loadModel: async () => (await loadModel(path)).parameters.get('bi_linear.weight'),
  inspect: async () => (await inspect(path)).sha256,
  convert: async () => {
    const output = join(folder, 'converted.npz');
    await convert(path, output);
    const checkpoint = await openCheckpoint(output);
    try {
      return await checkpoint.read('projection.weight');
    } finally {
      await checkpoint.close();
    }
  },
  similarityMatrix: async () => (await similarityMatrix([path, other], { measure: 'weights' })).gram[0][0],
};

describe.each(Object.keys(READERS))('a file that %s reads', (name) => {
  const reader = READERS[name];

  it.each(Object.keys(CHANGES))('and that is %s meanwhile is read once more, and whole', async (kind) => {
    const next = await bytesFrom(2);
    takePrepared();
    const seen = whileRead(() => CHANGES[kind](next), 1);
    const found = await reader();
    expect(seen.opened).toBe(2);
    vi.restoreAllMocks();
    expect(readFileSync(path).equals(next)).toBe(kind !== 'rewritten in its last numbers');
    expect(found).toEqual(await reader());
  });

  it.each(Object.keys(CHANGES))('and that is %s every time is told as FILE_CHANGED', async (kind) => {
    const versions = [await bytesFrom(1), await bytesFrom(2), await bytesFrom(3)];
    takePrepared();
    const output = join(folder, 'converted.npz');
    rmSync(output, { force: true });
    whileRead((time) => CHANGES[kind](versions[time]), 2);
    expect(await rejection(reader())).toMatchObject({ code: 'FILE_CHANGED', file: path });
    expect(existsSync(output)).toBe(false);
  });

  it('and that grows, or is cut short, every time is told as FILE_CHANGED', async () => {
    const bytes = await bytesFrom(1);
    for (const change of [
      () => appendFileSync(path, 'more'),
      (time: number) => truncateSync(path, bytes.length - time),
    ]) {
      takePrepared();
      whileRead(
        (time) => {
          writeFileSync(path, bytes);
          change(time);
        },
        2,
        2,
      );
      expect((await rejection(reader())).code).toBe('FILE_CHANGED');
      vi.restoreAllMocks();
    }
  });

  it('and that is removed is not found', async () => {
    writeFileSync(path, await bytesFrom(1));
    await settle();
    whileRead(() => rmSync(path), 1);
    expect(await rejection(reader())).toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('and that was half written when it was opened is read when it is whole', async () => {
    const bytes = await bytesFrom(1);
    writeFileSync(path, bytes);
    const expected = await reader();
    writeFileSync(path, bytes.subarray(0, -20));
    whileRead(() => writeFileSync(path, bytes), 1, 2);
    expect(await reader()).toEqual(expected);
  });
});

describe('a file that was written to a moment ago', () => {
  /** As on a file system whose clock stands still: the stamp of the file does not move. */
  const withoutTimes = () => vi.spyOn(SourceFile.prototype, 'isInPlace').mockResolvedValue(true);

  it('is read twice, and refused where that differs though its times are the same', async () => {
    const [first, next] = [await bytesFrom(1), await bytesFrom(2)];
    for (const reader of Object.values(READERS)) {
      writeFileSync(path, next);
      const expected = await reader();
      writeFileSync(path, first);
      withoutTimes();
      vi.spyOn(SourceFile.prototype, 'checkUntouched').mockResolvedValue();
      whileRead(() => overwrite(next), 1);
      const found = await reader();
      expect(found).toEqual(expected);
      vi.restoreAllMocks();
    }
  });

  it('is believed where both are the same', async () => {
    writeFileSync(path, await bytesFrom(5));
    const seen = whileRead(() => {}, 0);
    const { parameters } = await loadModel(path);
    expect(parameters.get('bi_linear.weight')).toEqual(counting([6, 4], 5));
    expect(seen.opened).toBe(1);
  });
});

describe('what belongs to a checkpoint', () => {
  it('is of one moment, index and shards', async () => {
    const index = join(folder, 'sharded.safetensors.index.json');
    const shards = [1, 2].map((number) => join(folder, `sharded-${number}.safetensors`));
    const tensors = tensorsFrom(1);
    const map = Object.fromEntries([...tensors.keys()].map((tensor, i) => [tensor, basename(shards[i])]));
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: map }));
    const write = async (start: number) => {
      for (const [i, [tensor, value]] of [...tensorsFrom(start)].entries())
        await writeSafetensors(shards[i], new Map([[tensor, value]]));
    };
    await write(1);
    await pause(OLD);
    // The first is open when both are replaced, the second is not: one of each would be half and half.
    const { open } = SourceFile;
    let left = 1;
    vi.spyOn(SourceFile, 'open').mockImplementation(async (file) => {
      if (file === shards[1] && left-- > 0) await write(2);
      return open.call(SourceFile, file);
    });
    const { parameters } = await loadModel(index);
    expect(parameters.get('bi_linear.weight')).toEqual(counting([6, 4], 2));
    expect(parameters.get('projection.weight')).toEqual(counting([2, 3], 2));
  });

  it('is the config.json beside it as it was when the weights were read', async () => {
    const own = join(folder, 'own');
    const beside = join(folder, 'config.json');
    const description = (alpha: number) =>
      JSON.stringify({
        schema: 'tensim.model/1',
        layers: [
          {
            type: 'bilinear',
            leftRight: 'bi_linear.weight',
            down: 'projection.weight',
            ...(alpha > 0 && { residual: { lerp: alpha } }),
          },
        ],
      });
    await writeCheckpoint(folder, 'model.safetensors', bilinearShapes(4, 3, 4));
    writeFileSync(own, description(0));
    await settle();
    whileRead(() => writeFileSync(own, description(0.5)), 1);
    const model = await loadModel(path, { model: own });
    expect(model.layers[0]).toMatchObject({ alpha: 0.5 });
    vi.restoreAllMocks();
    // One that was not there when the reading began, and is there when it has ended.
    const seen = whileRead(() => writeFileSync(beside, '{}'), 1);
    await loadModel(path);
    expect(seen.opened).toBe(2);
    vi.restoreAllMocks();
    whileRead((time) => writeFileSync(beside, JSON.stringify({ time })), 2);
    expect(await rejection(loadModel(path))).toMatchObject({ code: 'FILE_CHANGED', file: beside });
    rmSync(beside);
  });

  it('is nothing that is there and cannot be read', async () => {
    await writeCheckpoint(folder, 'model.safetensors', bilinearShapes());
    const beside = join(folder, 'config.json');
    mkdirSync(beside);
    expect((await loadModel(path)).parameters.size).toBe(2);
    rmdirSync(beside);
    writeFileSync(beside, '{}');
    chmodSync(beside, 0);
    expect((await loadModel(path)).parameters.size).toBe(2);
    rmSync(beside);
  });
});

describe('a model that is read again later', () => {
  it('is refused where what says how it is read has changed, though its bytes have not', async () => {
    const own = join(folder, 'later.json');
    const description = (ignore: string, lerp?: number) =>
      JSON.stringify({
        schema: 'tensim.model/1',
        layers: [
          {
            ...{ type: 'bilinear', leftRight: 'bi_linear.weight', down: 'projection.weight' },
            ...(lerp !== undefined && { residual: { lerp } }),
          },
        ],
        ignore: [ignore],
      });
    await writeCheckpoint(folder, 'model.safetensors', bilinearShapes(4, 3, 4));
    writeFileSync(own, description('a'));
    const [member] = await openMembers([path], { model: own });
    const { parameters } = await member.load();
    writeFileSync(own, description('b'));
    expect((await member.load()).parameters).toEqual(parameters);
    writeFileSync(own, description('b', 0.5));
    expect(await rejection(member.load())).toMatchObject({ code: 'FILE_CHANGED', file: path });
  });
});

describe('an open checkpoint', () => {
  it('tells with every tensor, and with the digest, whether its file was written to since', async () => {
    const [first, next] = [await bytesFrom(1), await bytesFrom(2)];
    writeFileSync(path, first);
    await settle();
    const checkpoint = await openCheckpoint(path);
    try {
      await checkpoint.read('bi_linear.weight');
      overwrite(next);
      for (const read of [
        () => checkpoint.read('bi_linear.weight'),
        () => checkpoint.readBytes('projection.weight'),
        () => checkpoint.sha256(),
      ])
        expect(await rejection(read())).toMatchObject({ code: 'FILE_CHANGED', file: path });
    } finally {
      await checkpoint.close();
    }
  });

  it('is read to its end where its file has lost its name', async () => {
    writeFileSync(path, await bytesFrom(1));
    const checkpoint = await openCheckpoint(path);
    try {
      rmSync(path);
      expect((await checkpoint.read('projection.weight')).data[0]).toBe(1 / 8);
      expect(await checkpoint.sha256()).toHaveLength(64);
    } finally {
      await checkpoint.close();
    }
  });
});
