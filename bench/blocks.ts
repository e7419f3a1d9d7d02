/**
 * `tensim blocks` on two checkpoints of a Llama's shapes, in bfloat16 and shards, written for it: time, CPU time, peak
 * resident memory, and how often bytes were read.
 *
 *     npm run bench -- blocks [--model small|1B] [--folder DIR] [--method auto] [--threads 2] [--keep]
 *
 * `1B` has the shapes of TinyLlama, 1.1 billion parameters: two checkpoints of 2.2 GB. The second is the first with noise.
 * The comparison is a process of its own.
 */

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { similarityOfBlocks } from '../lib/blocks/similarity_of_blocks.js';
import { bytesText } from '../lib/words/bytes.js';
import { bytesOf, SHAPES, writeLlama } from './blocks/llama.js';
import { formatTable, timeCell } from './support.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'small' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
    method: { type: 'string', default: 'auto' },
    threads: { type: 'string' },
    // Of the process that compares.
    run: { type: 'boolean', default: false },
  },
});
const shape = SHAPES[values.model];
if (shape === undefined) throw new Error(`There is no model called ${values.model}: ${Object.keys(SHAPES).join(', ')}`);

interface Measured {
  readonly seconds: number;
  readonly cpu: number;
  readonly peak: number;
  readonly read: number;
  readonly exact: number;
  readonly similarity: number;
}

if (values.run) await contest(values.folder!);
else await measure();

async function contest(folder: string): Promise<void> {
  const before = readBytes();
  const start = performance.now();
  const { layers } = await similarityOfBlocks(join(folder, 'a'), join(folder, 'b'), {
    method: values.method as 'auto',
    threads: values.threads === undefined ? undefined : Number(values.threads),
  });
  const seconds = (performance.now() - start) / 1000;
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const measured: Measured = {
    seconds,
    cpu: (userCPUTime + systemCPUTime) / 1e6,
    peak: maxRSS * 1024,
    read: readBytes() - before,
    exact: layers.filter(({ mlp }) => mlp?.exact).length,
    similarity: layers.reduce((sum, { mlp }) => sum + (mlp?.similarity ?? 0), 0) / layers.length,
  };
  console.log(JSON.stringify(measured));
}

/** Bytes that this process has read, where the system tells. */
function readBytes(): number {
  if (!existsSync('/proc/self/io')) return Number.NaN;
  return Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
}

async function measure(): Promise<void> {
  const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'tensim-blocks-')));
  try {
    for (const [name, noise] of [
      ['a', 0],
      ['b', 0.02],
    ] as const) {
      if (existsSync(join(folder, name))) continue;
      await mkdir(join(folder, name), { recursive: true });
      await writeLlama(join(folder, name), shape, noise);
    }
    const flags = values.threads === undefined ? [] : ['--threads', values.threads];
    const args = ['--run', '--folder', folder, '--model', values.model, '--method', values.method, ...flags];
    const child = spawn(process.execPath, [process.argv[1], ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    for await (const chunk of child.stdout) output += chunk;
    const { seconds, cpu, peak, read, exact, similarity } = JSON.parse(output) as Measured;
    const { all, block } = bytesOf(shape);
    const bound = 3 * block + 300e6;
    console.log(
      formatTable(
        ['model', 'time', 'CPU time', 'peak resident', 'bound', 'times read', 'MLPs exact', 'mean similarity'],
        [
          [
            values.model,
            timeCell(seconds),
            timeCell(cpu),
            bytesText(peak),
            bytesText(bound),
            (read / (2 * all)).toFixed(3),
            `${exact} of ${shape.layers}`,
            similarity.toFixed(5),
          ],
        ],
      ),
    );
    console.log(peak <= bound ? 'within three times the largest block and 300 MB' : 'MORE MEMORY THAN IT MAY TAKE');
  } finally {
    if (!values.keep) await rm(folder, { recursive: true });
  }
}
