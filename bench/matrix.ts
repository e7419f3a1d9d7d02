/**
 * The matrix of N models: routes and backends against each other, and against numpy and torch where there are such.
 *
 *     npm run bench:matrix -- [--models N]… [--shape PART]… [--dtype float64|float32]… [--backend NAME]… [--rounds N] [--seconds S]
 *                             [--threads N] [--python COMMAND] [--json FILE]
 *
 *     npm run bench:matrix -- --map FILE.svg      which route is quicker, by models and inputs (the first backend and dtype)
 *
 * All contestants get the same models and the same number of threads, take turns in rounds, and medians are reported; a
 * wrong result ends the benchmark. Where a contestant would take longer than S seconds it compares fewer models, and
 * its time for all follows from what a model and a pair took. PART is a part of what a shape is called, such as "784".
 * The CUDA backend takes part only where NAME names it.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import type { BackendName } from '../lib/backend/backend.js';
import { loadCuda } from '../lib/machines/cuda/backend.js';
import { loadNative } from '../lib/machines/native.js';
import { backends as report } from '../lib/machines/select.js';
import type { DType } from '../lib/tensor/tensor.js';
import { crossoverSvg, measureCrossings } from './matrix/crossover.js';
import { COUNTS, SHAPES, type Shape, shapeName } from './matrix/grid.js';
import { type Field, measure, type Outcome } from './matrix/measure.js';
import { MatrixPeer } from './matrix/peer.js';
import { LEGEND, outcomesTable, plannerSentence } from './matrix/results.js';
import { INTERPRETERS } from './python.js';

interface Options {
  readonly counts: readonly number[];
  readonly shapes: readonly Shape[];
  readonly dtypes: readonly DType[];
  readonly backends: readonly BackendName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly threads: number;
  readonly interpreters: readonly string[];
  readonly json: string | undefined;
  readonly map: string | undefined;
}

function readOptions(present: readonly BackendName[], asked: readonly BackendName[]): Options {
  const { values } = parseArgs({
    options: {
      models: { type: 'string', multiple: true, default: COUNTS.map(String) },
      shape: { type: 'string', multiple: true, default: [] },
      dtype: { type: 'string', multiple: true, default: ['float64', 'float32'] },
      backend: { type: 'string', multiple: true, default: [...present] },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
      python: { type: 'string' },
      json: { type: 'string' },
      map: { type: 'string' },
    },
  });
  const { models, shape, dtype, backend, rounds, seconds, threads, python, json, map } = values;
  for (const name of dtype) if (name !== 'float64' && name !== 'float32') throw new Error(`there is no dtype ${name}`);
  for (const name of backend)
    if (![...present, ...asked].some((known) => known === name)) throw new Error(`the backend ${name} is not there`);
  const shapes = SHAPES.filter((known) => shape.length === 0 || shape.some((part) => shapeName(known).includes(part)));
  if (shapes.length === 0) throw new Error(`no shape is called ${shape.join(' or ')}`);
  return {
    counts: models.map((text) => positive(text, 'models')),
    shapes,
    dtypes: dtype as DType[],
    backends: backend as BackendName[],
    rounds: positive(rounds, 'rounds'),
    seconds: positive(seconds, 'seconds', false),
    threads: positive(threads, 'threads'),
    interpreters: python === undefined ? INTERPRETERS : [python],
    json,
    map,
  };
}

function positive(text: string, name: string, whole = true): number {
  const value = Number(text);
  if (value > 0 && (Number.isInteger(value) || !whole) && Number.isFinite(value)) return value;
  throw new Error(`--${name} must be a positive ${whole ? 'integer' : 'number'}, not ${text}`);
}

async function compareAll({ counts, shapes, dtypes, ...options }: Options, field: Field, head: string): Promise<void> {
  const outcomes: Outcome[] = [];
  const total = counts.length * shapes.length * dtypes.length;
  for (const shape of shapes) {
    for (const dtype of dtypes) {
      for (const count of counts) {
        console.error(`${outcomes.length + 1} of ${total}: ${count} models of ${shapeName(shape)}, ${dtype}`);
        outcomes.push(await measure(shape, count, dtype, field));
      }
    }
  }
  console.log(`${head}\n\n${outcomesTable(outcomes)}\n\n${LEGEND}\n\n${plannerSentence(outcomes)}`);
  for (const { shape, count, dtype, refusals } of outcomes) {
    for (const reason of refusals) console.log(`left out at ${count} × ${shapeName(shape)}, ${dtype}: ${reason}`);
  }
  if (options.json === undefined) return;
  const facts = { benchmark: 'matrix', processor: cpus()[0]?.model, threads: field.threads, rounds: field.rounds };
  writeFileSync(options.json, `${JSON.stringify({ ...facts, peer: field.peer?.info, outcomes }, null, 2)}\n`);
}

async function drawMap({ dtypes, map }: Options, field: Field, processor: string): Promise<void> {
  const [dtype] = dtypes;
  const crossings = await measureCrossings(dtype!, field, (text) => console.error(text));
  const title = `Factor against dense route: ${field.backends[0]}, ${dtype}, ${field.threads === 1 ? 'one thread' : `${field.threads} threads`}, ${processor}`;
  writeFileSync(map!, await crossoverSvg(crossings, title));
}

async function main(): Promise<void> {
  const loaded = loadNative();
  if ('reason' in loaded) console.error(`native: not available (${loaded.reason}); measuring the fallback alone`);
  const native = 'reason' in loaded ? undefined : loaded.backend;
  const device = (await report()).find(({ name }) => name === 'cuda')!;
  const options = readOptions(
    native === undefined ? ['fallback'] : ['native', 'fallback'],
    device.available ? ['cuda'] : [],
  );
  const { threads, rounds, seconds, backends } = options;
  const processor = cpus()[0]?.model ?? 'unknown processor';
  const peer = options.map === undefined ? await MatrixPeer.start(threads, options.interpreters) : undefined;
  const loadedCuda = backends.includes('cuda') ? loadCuda() : undefined;
  const cuda = loadedCuda && 'backend' in loadedCuda ? loadedCuda.backend : undefined;
  const field: Field = { backends, native, cuda, peer, threads, rounds, seconds };
  const peers = peer
    ? `numpy ${peer.info.numpy}, torch ${peer.info.torch ?? 'not available'} (Python ${peer.info.python})`
    : 'numpy: not available';
  // With more threads than idle cores, those of a BLAS wait for each other: figures are worth as much as the machine is
  // quiet.
  const load = `load average before: ${loadavg()[0].toFixed(1)}`;
  const gpu = cuda === undefined ? '' : `${device.details.device}, `;
  const head = `${gpu}${processor}, threads: ${threads}, medians of ${rounds} interleaved rounds, ${load}\n${peers}`;
  try {
    await (options.map === undefined ? compareAll(options, field, head) : drawMap(options, field, processor));
  } finally {
    peer?.stop();
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench:matrix: ${(error as Error).message}`);
  process.exitCode = 1;
}
