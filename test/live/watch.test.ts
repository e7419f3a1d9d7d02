import { appendFileSync, copyFileSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LiveState } from '../../lib/live/feed.js';
import type { WatchEvent, WatchOptions } from '../../lib/live/terms.js';
import { watch, watchInto } from '../../lib/live/watch.js';
import { reportHtml } from '../../lib/report/write.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import type { SimilarityMatrix } from '../../lib/similarity/terms/types.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { random } from '../support/random.js';
import { checkpointBytes, nameOf, renameInto } from './checkpoints.js';

const QUICK: WatchOptions = { settle: 0.1, poll: 0.1 };

/** All that happens until it ends by itself. */
async function all(folder: string | readonly string[], options: WatchOptions = {}): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const event of watch(folder, { ...QUICK, ...options })) events.push(event);
  return events;
}

function matricesIn(events: readonly WatchEvent[]) {
  return events.filter((event) => event.kind === 'matrix');
}

function numbersOf({ labels, cosine, gram, route, method, order, perOutput }: SimilarityMatrix) {
  return { labels, cosine, gram, route, method, order, perOutput };
}

/** The numbers of a page. */
const dataIn = (html: string): unknown =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]);

describe('a folder that is watched', () => {
  const root = temporaryFolder();
  const fresh = (name: string) => {
    const folder = join(root, name);
    mkdirSync(folder);
    return folder;
  };

  it('ends equal to a fresh matrix after 200 checkpoints, some cut short first, one replaced, one deleted', async () => {
    const folder = fresh('long');
    const draw = random(17);
    const steps = Array.from({ length: 200 }, (_, i) => 10 * i);
    let written = false;
    const training = async () => {
      for (const step of steps) {
        const path = join(folder, nameOf(step));
        const bytes = checkpointBytes(step);
        const way = draw.integer(0, 3);
        if (way < 2) renameInto(path, bytes);
        else if (way === 2) {
          // Cut short for less than it takes to settle, and sometimes for more.
          writeFileSync(path, bytes.subarray(0, draw.integer(0, bytes.length - 1)));
          await wait(draw.uniform() < 0.2 ? 250 : 20);
          writeFileSync(path, bytes);
        } else {
          writeFileSync(path, '');
          for (let at = 0; at < bytes.length; at += 200) {
            appendFileSync(path, bytes.subarray(at, at + 200));
            await wait(1);
          }
        }
        if (step === 1200) renameInto(join(folder, nameOf(400)), checkpointBytes(400, 99));
        if (step === 1500) rmSync(join(folder, nameOf(700)));
        await wait(draw.integer(0, 60));
      }
      written = true;
    };
    const trained = training();
    let last: SimilarityMatrix | undefined;
    let computed = 0;
    const state = new LiveState();
    for await (const event of watchInto(state, folder, QUICK)) {
      if (event.kind !== 'matrix') continue;
      last = event.matrix;
      const { pairs, reused } = last.work;
      computed += pairs - reused;
      // Its own pairs and no others, however many there are.
      expect(pairs - reused).toBeLessThanOrEqual(event.added.length * last.labels.length);
      if (written && last.labels.length === 199) break;
    }
    await trained;
    const whole = await similarityMatrix(folder);
    expect(whole.labels).toHaveLength(199);
    expect(numbersOf(last!)).toEqual(numbersOf(whole));
    expect(dataIn((await state.page())!.html)).toEqual(dataIn(await reportHtml(whole)));
    // All that ever were whole, each with those that were there with it.
    expect(computed).toBeLessThanOrEqual((201 * 202) / 2);
  });

  it('tells of files that stay cut short, takes them when they are whole, and lets go of what is deleted', async () => {
    const folder = fresh('short');
    const path = (step: number) => join(folder, nameOf(step));
    const [one, two, three] = [0, 10, 20].map((step) => checkpointBytes(step));
    writeFileSync(path(0), one);
    writeFileSync(path(10), two.subarray(0, two.length - 4));
    const seen: WatchEvent[] = [];
    for await (const event of watch(folder, QUICK)) {
      seen.push(event);
      if (event.kind === 'file') {
        expect(event).toMatchObject({ file: path(10), state: 'incomplete' });
        expect(event.why).toMatch(/ends after .* bytes but its header describes/);
        appendFileSync(path(10), two.subarray(two.length - 4));
        renameInto(path(20), three);
      }
      if (event.kind !== 'matrix') continue;
      if (event.matrix.labels.length === 3) {
        expect(event.matrix.cosine[0][2]).toBeLessThan(1);
        rmSync(path(10));
      }
      if (event.removed.length > 0) {
        expect(event.removed).toEqual([path(10)]);
        expect(event.matrix.labels).toEqual(['step_00000', 'step_00020']);
        break;
      }
    }
    expect(seen.filter(({ kind }) => kind === 'file')).toHaveLength(1);
  });

  it('compares a replaced file anew, and nothing else', async () => {
    const folder = fresh('replaced');
    for (const step of [0, 10, 20, 30]) writeFileSync(join(folder, nameOf(step)), checkpointBytes(step));
    const found: { added: readonly number[]; computed: number; cosine: number }[] = [];
    for await (const event of watch(folder, QUICK)) {
      if (event.kind !== 'matrix') continue;
      const { labels, cosine, work } = event.matrix;
      const computed = work.pairs - work.reused;
      // Whoever takes long to replace a file is not waited for.
      if (labels.length < 4 && found.length > 0) expect(computed).toBe(0);
      if (labels.length < 4) continue;
      found.push({ added: event.added, computed, cosine: cosine[1][2] });
      if (found.length === 2) break;
      writeFileSync(join(folder, nameOf(20)), checkpointBytes(20, 5));
    }
    expect(found[1]).toMatchObject({ added: [2], computed: 4 });
    expect(found[1].cosine).not.toBe(found[0].cosine);
  });

  it('passes over what is no model, and goes on where one does not go with the others', async () => {
    const folder = fresh('mixed');
    for (const step of [0, 10]) writeFileSync(join(folder, nameOf(step)), checkpointBytes(step));
    const events: WatchEvent[] = [];
    for await (const event of watch(folder, QUICK)) {
      events.push(event);
      if (event.kind === 'matrix' && event.matrix.labels.length === 2)
        writeFileSync(join(folder, nameOf(20)), checkpointBytes(20, 1, { inputs: 9, hidden: 5, outputs: 3 }));
      if (event.kind === 'file') writeFileSync(join(folder, nameOf(30)), checkpointBytes(30));
      if (event.kind === 'matrix' && event.matrix.labels.length === 3) break;
    }
    expect(events.map(({ kind }) => kind)).toEqual(['matrix', 'file', 'matrix']);
    expect(events[1]).toMatchObject({ state: 'refused', file: join(folder, nameOf(20)) });
  });

  it('waits for the index of a sharded checkpoint, and takes it for one model', async () => {
    const folder = fresh('sharded');
    const whole = checkpointBytes(0);
    writeFileSync(join(folder, nameOf(0)), whole);
    const { encodeSafetensors } = await import('../../lib/formats/safetensors/write.js');
    const { openCheckpoint } = await import('../../lib/formats/checkpoint.js');
    const source = join(root, 'source.safetensors');
    writeFileSync(source, checkpointBytes(10));
    const checkpoint = await openCheckpoint(source);
    const map: Record<string, string> = {};
    const names = [...checkpoint.tensors.keys()];
    for (const [i, name] of names.entries()) {
      const shard = `step_10-0000${i + 1}-of-0000${names.length}.safetensors`;
      map[name] = shard;
      writeFileSync(join(folder, shard), encodeSafetensors({ [name]: await checkpoint.read(name) }));
    }
    await checkpoint.close();
    const sizes: number[] = [];
    for await (const event of watch(folder, QUICK)) {
      expect(event.kind).toBe('matrix');
      if (event.kind !== 'matrix') continue;
      sizes.push(event.matrix.labels.length);
      if (sizes.length === 2) break;
      const index = { metadata: {}, weight_map: map };
      writeFileSync(join(folder, 'step_10.safetensors.index.json'), JSON.stringify(index));
    }
    expect(sizes).toEqual([1, 2]);
  });

  it('ends where it is told to, and says what was there beforehand', async () => {
    const folder = fresh('ends');
    expect(await all(folder, { once: true })).toEqual([]);
    for (const step of [0, 10, 20]) writeFileSync(join(folder, nameOf(step)), checkpointBytes(step));
    const [first] = matricesIn(await all(folder, { once: true }));
    expect(first).toMatchObject({ added: [0, 1, 2], removed: [] });
    await wait(150);
    const again = matricesIn(await all(folder, { until: 3 }));
    expect(again).toMatchObject([{ beforehand: true }]);
    expect(matricesIn(await all(folder, { idle: 0.2 }))).toHaveLength(1);
    const reason = new Error('enough');
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 300);
    await expect(all(folder, { signal: stop.signal })).rejects.toBe(reason);
  });

  it('keeps what it has computed in a state file, from which a matrix goes on', async () => {
    const folder = fresh('kept');
    for (const step of [0, 10, 20]) writeFileSync(join(folder, nameOf(step)), checkpointBytes(step));
    const state = join(root, 'kept.state');
    await all(folder, { once: true, state });
    copyFileSync(join(folder, nameOf(0)), join(root, 'copy.safetensors'));
    const { work } = await similarityMatrix(folder, { state });
    expect(work).toMatchObject({ pairs: 6, reused: 6 });
  });

  it('refuses folders that are not there, and options that make no sense', async () => {
    await expect(all(join(root, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(all([])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(all('hf://owner/name')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(all(root, { settle: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(all(root, { window: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('tells an onset once, and another when there is one that stands out more', async () => {
    const folder = fresh('onset');
    const seeds = [1, 1, 1, 1, 1, 1, 7, 7, 7, 7, 7, 7];
    const told: string[] = [];
    let next = 6;
    for (let i = 0; i < next; i++) writeFileSync(join(folder, nameOf(10 * i)), checkpointBytes(10 * i, seeds[i]));
    for await (const event of watch(folder, QUICK)) {
      if (event.kind === 'onset') told.push(event.to);
      if (event.kind !== 'matrix') continue;
      if (next === seeds.length) break;
      writeFileSync(join(folder, nameOf(10 * next)), checkpointBytes(10 * next, seeds[next]));
      next++;
    }
    expect(told).toEqual(['step_00060']);
  });

  it('does not take a file that is cut short while it is watched for one that is whole', async () => {
    const folder = fresh('cut');
    for (const step of [0, 10]) writeFileSync(join(folder, nameOf(step)), checkpointBytes(step));
    const sizes: number[] = [];
    for await (const event of watch(folder, QUICK)) {
      if (event.kind === 'matrix') {
        sizes.push(event.matrix.labels.length);
        if (sizes.length === 1) truncateSync(join(folder, nameOf(10)), 100);
      }
      if (event.kind === 'file') break;
    }
    expect(sizes).toEqual([2, 1]);
  });
});
