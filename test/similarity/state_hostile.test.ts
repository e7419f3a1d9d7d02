import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectBackend } from '../../lib/machines/select.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { slicesOf } from '../../lib/similarity/state/setting.js';
import { forNode } from '../../scripts/bundle.mjs';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { blockModel } from '../support/models.js';
import { random } from '../support/random.js';
import { pairsIn } from '../support/state.js';

const root = temporaryFolder();
let files = 0;
const newFile = () => join(root, `${files++}.state`);

const draw = random(1);
const list = Array.from({ length: 5 }, (_, i) => blockModel(draw, { inputs: 4, hidden: 3, outputs: 2 }, `model ${i}`));
const options = { backend: 'fallback', perOutput: true, route: 'factor' } as const;

const digest = (...parts: Buffer[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, 16);
};

/** The records of a state file. */
function payloadsOf(bytes: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 16; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    payloads.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length + 16;
  }
  return payloads;
}

/** A state file of such records, each with its right digest. */
function stateOf(payloads: readonly Buffer[]): Buffer {
  const magic = Buffer.from('tensim.state/1\n\0', 'latin1');
  const parts: Buffer[] = [magic];
  let check = digest(magic);
  for (const payload of payloads) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(payload.length);
    check = digest(check, length, payload);
    parts.push(length, payload, check);
  }
  return Buffer.concat(parts);
}

const words = (...numbers: number[]) => Buffer.from(Uint32Array.from(numbers).buffer);
const doubles = (...numbers: number[]) => Buffer.from(Float64Array.from(numbers).buffer);
const tile = (symmetric: number, head: number[], ...products: number[]) =>
  Buffer.concat([Buffer.of(2, symmetric), words(...head), doubles(...products)]);
const setting = (text: string) => Buffer.concat([Buffer.of(0), Buffer.from(text)]);

/** What comes after the two records that begin every state: a setting with two slices, and five models. */
const NONSENSE: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'an unknown kind': Buffer.of(9),
  'a setting that is no JSON': setting('['),
  'a setting that is null': setting('null'),
  'a setting that is no list': setting('{"0":"a","1":null}'),
  'a setting without a route': setting('["a"]'),
  'a setting with a route that is no text': setting('["a",7]'),
  'half a digest of a model': Buffer.concat([Buffer.of(1), Buffer.alloc(48)]),
  'no models': Buffer.of(1),
  'a model twice': Buffer.concat([Buffer.of(1), Buffer.alloc(64, 7)]),
  'a tile without a head': Buffer.of(2, 1),
  'a tile of four thousand million rows': tile(0, [0, 2, 0xffffffff, 0xffffffff, 0, 0]),
  'a tile of four thousand million slices': tile(0, [0, 0xffffffff, 1, 1, 0, 1], 1),
  'a tile of no rows': tile(0, [0, 2, 0, 1, 0]),
  'a tile that breaks off': tile(0, [0, 2, 1, 1, 0, 1], 1, 0.5),
  'a tile that goes on': tile(0, [0, 2, 1, 1, 0, 1], 1, 0.5, 0.5, 0.5),
  'a tile under no setting': tile(0, [7, 2, 1, 1, 0, 1], 1, 0.5, 0.5),
  'a tile of models that are not there': tile(0, [0, 2, 1, 1, 0, 5], 1, 0.5, 0.5),
  'a tile with fewer slices': tile(0, [0, 0, 1, 1, 0, 1], 1),
  'a tile with more slices': tile(0, [0, 3, 1, 1, 0, 1], 1, 0.5, 0.5, 0),
  'a tile that is neither symmetric nor not': tile(2, [0, 2, 1, 1, 0, 0], 1, 0.5, 0.5),
  'a symmetric tile of other columns': tile(1, [0, 2, 1, 1, 0, 1], 1, 0.5, 0.5),
  'a tile without numbers': tile(0, [0, 2, 1, 1, 0, 1], Number.NaN, 0.5, 0.5),
  'a tile with a slice beyond numbers': tile(0, [0, 2, 1, 1, 0, 1], 1, Number.POSITIVE_INFINITY, 0.5),
};

describe('a state file whose digests are right', () => {
  it.each(Object.keys(NONSENSE))('is cut off at %s, and what stands before it is used', async (name) => {
    const state = newFile();
    await similarityMatrix(list, { ...options, state });
    const whole = await similarityMatrix(list, options);
    const good = payloadsOf(readFileSync(state));
    expect(stateOf(good)).toEqual(readFileSync(state));
    for (const [before, reused] of [
      [good.slice(0, 2), 0],
      [good, 15],
    ] as const) {
      writeFileSync(state, stateOf([...before, NONSENSE[name], ...good.slice(2)]));
      const discarded = statSync(state).size - stateOf(before).length;
      const { work, gram, perOutput } = await similarityMatrix(list, { ...options, state });
      expect(work).toMatchObject({ reused, discarded });
      expect(gram).toEqual(whole.gram);
      expect(perOutput?.gram).toEqual(whole.perOutput?.gram);
      expect(await pairsIn(state)).toHaveLength(15);
    }
  });

  it.each([
    ['the models', 1],
    ['the setting', 0],
  ] as const)('is cut off where it has %s once more, and stays of use to other lists', async (_what, which) => {
    const state = newFile();
    await similarityMatrix(list.slice(0, 3), { ...options, state });
    const good = payloadsOf(readFileSync(state));
    const whole = await similarityMatrix(list, options);
    // A model that is known beside one that is not.
    const again = which === 0 ? good[0] : Buffer.concat([Buffer.of(1), Buffer.alloc(32, 7), good[1].subarray(1, 33)]);
    for (const repeated of [good[which], again]) {
      writeFileSync(state, stateOf([...good, repeated]));
      const more = await similarityMatrix(list, { ...options, state });
      expect(more.work).toMatchObject({ reused: 6, discarded: 4 + repeated.length + 16 });
      expect(more.gram).toEqual(whole.gram);
      // What was written behind the damage is read as it was meant.
      const last = await similarityMatrix(list, { ...options, state });
      expect(last.work).toMatchObject({ reused: 15, discarded: 0 });
      expect(last.gram).toEqual(whole.gram);
      expect(last.perOutput?.gram).toEqual(whole.perOutput?.gram);
    }
  });

  it('claims no memory for a record of gigabytes, though the file be as long', async () => {
    const state = newFile();
    writeFileSync(state, Buffer.concat([stateOf([]), words(2 ** 31)]));
    truncateSync(state, 3 * 2 ** 30);
    const before = process.memoryUsage().arrayBuffers;
    const { work } = await similarityMatrix(list, { ...options, state });
    expect(work).toMatchObject({ reused: 0, discarded: 3 * 2 ** 30 - 16 });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
  });

  it('and names no route that there is, leaves the choice open', async () => {
    const state = newFile();
    const open = { backend: 'fallback' } as const;
    const { route } = await similarityMatrix(list, { ...open, state });
    const [first, ...others] = payloadsOf(readFileSync(state));
    const text = first.toString('utf8', 1).replace(`"${route}"]`, '"quick"]');
    expect(text).toContain('"quick"]');
    writeFileSync(state, stateOf([setting(text), ...others]));
    const again = await similarityMatrix(list, { ...open, state });
    expect(again.route).toBe(route);
    expect(again.work).toMatchObject({ reused: 0, discarded: 0 });
  });
});

describe('a state file', () => {
  it('says which instructions its products were computed with', async () => {
    const { grams } = await selectBackend('auto', { grams: { method: 'one-block', dtype: 'float64' } });
    const state = newFile();
    await similarityMatrix(list, { state });
    const [first] = payloadsOf(readFileSync(state));
    const [common] = JSON.parse(first.toString('utf8', 1));
    expect(JSON.parse(common).arithmetic).toBe(grams.arithmetic);
    expect(slicesOf(common)).toBe(0);
    // Of other instructions nothing is used.
    const foreign = JSON.stringify([common.replace(/"backend":"\w+"/, '$&,"arithmetic":"other"'), 'factor']);
    writeFileSync(state, stateOf([setting(foreign), ...payloadsOf(readFileSync(state)).slice(1)]));
    expect((await similarityMatrix(list, { state })).work).toMatchObject({ reused: 0, discarded: 0 });
  });

  it.skipIf(process.platform === 'win32')('is no device and no FIFO', async () => {
    const fifo = newFile();
    execFileSync('mkfifo', [fifo]);
    for (const [state, kind] of [
      ['/dev/null', 'a device'],
      ['/dev/full', 'a device'],
      [fifo, 'a FIFO'],
    ])
      await expect(similarityMatrix(list, { ...options, state })).rejects.toMatchObject({
        name: 'TensimError',
        code: 'INVALID_FILE',
        file: state,
        message: expect.stringContaining(`this is ${kind}, not a file`),
      });
  });
});

describe.skipIf(process.platform === 'win32')('a disk without room for the state', () => {
  const folder = join('node_modules', '.cache', `tensim-full-${process.pid}`);
  const entry = join(folder, 'bin.js');
  beforeAll(async () => {
    await build({ ...forNode, format: 'esm', entryPoints: ['lib/cli/bin.ts'], outfile: entry });
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Files may have so many KiB: the system answers as on a full disk. */
  const run = (state: string, kibibytes: string) =>
    spawnSync(
      'bash',
      [
        '-c',
        `ulimit -f ${kibibytes}; exec "$@"`,
        'bash',
        process.execPath,
        entry,
        'matrix',
        'examples/grokking',
      ].concat(['--json', '--backend', 'fallback', '--route', 'factor', '--memory-limit', '4MB', '--state', state]),
      { encoding: 'utf8' },
    );

  it('is told with the name of the file and how much it keeps, and the rest is computed when there is', async () => {
    const state = newFile();
    const { status, stderr, stdout } = run(state, '4');
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(`${state}: the state file cannot be written (EFBIG`);
    const kept = await pairsIn(state);
    expect(stderr).toContain(`it keeps ${kept.length} inner products`);
    expect(kept.length).toBeGreaterThan(3);
    const finished = run(state, 'unlimited');
    expect(finished.status).toBe(0);
    expect(finished.stderr).not.toContain('damaged');
    expect(JSON.parse(finished.stdout)).toEqual(JSON.parse(run(newFile(), 'unlimited').stdout));
    expect(await pairsIn(state)).toHaveLength((16 * 17) / 2);
  });
});
