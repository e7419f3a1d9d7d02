/**
 * Many models under a memory limit against the same without one: time, peak resident memory, how often models were
 * prepared, and whether the results are the same to the bit.
 *
 *     npm run bench -- memory [--models 2000] [--limit 128MiB] [--dtype float64]
 *
 * The models are one bilinear layer of (226, 64, 113) with random weights in float32, 145 kB a file. Each run is a
 * process of its own.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '../lib/formats/safetensors/write.js';
import { similarityMatrix } from '../lib/similarity/matrix.js';
import { fillPseudoRandom, formatTable, timeCell } from './support.js';

const [INPUTS, HIDDEN, OUTPUTS] = [226, 64, 113];

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: '2000' },
    limit: { type: 'string', default: '128MiB' },
    dtype: { type: 'string', default: 'float64' },
    // Of the process that runs one of the contestants.
    folder: { type: 'string' },
    limited: { type: 'boolean', default: false },
  },
});
const count = Number(values.models);

interface Measured {
  readonly seconds: number;
  readonly mebibytes: number;
  readonly prepared: number;
  readonly digest: string;
}

if (values.folder !== undefined) await contest(values.folder);
else await compare();

/** Runs one contestant, and tells the parent what it took. */
async function contest(folder: string): Promise<void> {
  const paths = Array.from({ length: count }, (_, i) => fileOf(folder, i));
  const start = performance.now();
  const { cosine, work } = await similarityMatrix(paths, {
    dtype: values.dtype === 'float32' ? 'float32' : 'float64',
    route: 'factor',
    memoryLimit: values.limited ? values.limit : undefined,
  });
  const seconds = (performance.now() - start) / 1000;
  const hash = createHash('sha256');
  for (const row of cosine) hash.update(row);
  const mebibytes = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ seconds, mebibytes, prepared: work.prepared, digest: hash.digest('hex') }));
}

async function compare(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tensim-memory-'));
  try {
    for (let i = 0; i < count; i++) await writeModel(fileOf(folder, i), i);
    const limited = await measure(folder, ['--limited']);
    const free = await measure(folder, []);
    const row = (name: string, { seconds, mebibytes, prepared }: Measured) => [
      name,
      timeCell(seconds),
      `${mebibytes.toFixed(0)} MiB`,
      `${prepared}`,
      `${((count * (count + 1)) / 2 / seconds).toFixed(0)}`,
    ];
    const rows = [row(`limit ${values.limit}`, limited), row('no limit', free)];
    console.log(`${count} models of (${INPUTS}, ${HIDDEN}, ${OUTPUTS}), ${values.dtype}`);
    console.log(formatTable(['', 'time', 'peak resident', 'prepared', 'pairs/s'], rows));
    console.log(`ratio of times ${(limited.seconds / free.seconds).toFixed(2)}`);
    console.log(limited.digest === free.digest ? 'the same to the bit' : 'DIFFERENT RESULTS');
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measure(folder: string, flags: readonly string[]): Promise<Measured> {
  const args = ['--models', values.models, '--limit', values.limit, '--dtype', values.dtype, '--folder', folder];
  const child = spawn(process.execPath, [process.argv[1], ...args, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  return JSON.parse(output) as Measured;
}

function fileOf(folder: string, i: number): string {
  return join(folder, `step_${String(i).padStart(5, '0')}.safetensors`);
}

async function writeModel(path: string, seed: number): Promise<void> {
  const weight = (...shape: [number, number]) => ({
    data: fillPseudoRandom(new Float32Array(shape[0] * shape[1]), 7919 * seed + shape[0]),
    shape,
  });
  const tensors = [
    ['bi_linear.weight', weight(2 * HIDDEN, INPUTS)],
    ['projection.weight', weight(OUTPUTS, HIDDEN)],
  ] as const;
  await writeSafetensors(path, new Map(tensors));
}
