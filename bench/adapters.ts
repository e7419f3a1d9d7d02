/**
 * `tensim adapters` on adapters that are written for it: time, share of the multiply-add rate measured in the same run,
 * peak resident memory, and how often bytes were read.
 *
 *     npm run bench -- adapters [--count 1000] [--layers 1] [--rank 16] [--width 4096] [--stored BF16|F32]
 *         [--dtype float32] [--memory-limit 1.25GiB] [--threads 2] [--folder DIR] [--keep]
 *
 * A thousand adapters of 32 layers are 8.4 GB in bfloat16 and 67 TFLOP. The comparison is a process of its own. Pairs of
 * bfloat16 numbers are multiplied at up to twice the rate that is measured.
 */

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { adaptersIn } from '../lib/adapters/find.js';
import { adapterMatrix } from '../lib/adapters/matrix.js';
import { loadNative } from '../lib/machines/native.js';
import type { DType } from '../lib/tensor/tensor.js';
import { bytesText, parseBytes } from '../lib/words/bytes.js';
import { type AdapterShape, bytesOf, writeAdapters } from './adapters/write.js';
import { formatTable, median, timeCell } from './support.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    layers: { type: 'string', default: '1' },
    rank: { type: 'string', default: '16' },
    width: { type: 'string', default: '4096' },
    stored: { type: 'string', default: 'BF16' },
    dtype: { type: 'string', default: 'float32' },
    'memory-limit': { type: 'string', default: '1.25GiB' },
    threads: { type: 'string' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
    // Of the process that compares.
    run: { type: 'boolean', default: false },
  },
});
const dtype = values.dtype as DType;
const threads = values.threads === undefined ? availableParallelism() : Number(values.threads);
const shape: AdapterShape = {
  rank: Number(values.rank),
  width: Number(values.width),
  layers: Number(values.layers),
  stored: values.stored as 'BF16' | 'F32',
};

interface Measured {
  readonly seconds: number;
  readonly cpu: number;
  readonly resident: number;
  readonly read: number;
  /** Multiply-adds of a core, before, after. */
  readonly peaks: readonly number[];
}

if (values.run) await contest(values.folder!);
else await measure();

async function contest(folder: string): Promise<void> {
  const native = loadNative();
  if ('reason' in native) throw new Error(native.reason);
  const { backend } = native;
  const peaks = [await backend.peak(dtype, 0.5)];
  const paths = await adaptersIn([folder]);
  const before = readBytes();
  const used = process.resourceUsage();
  const start = performance.now();
  await adapterMatrix(paths, { dtype, threads, memoryLimit: parseBytes(values['memory-limit'])! });
  const seconds = (performance.now() - start) / 1000;
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const cpu = (userCPUTime + systemCPUTime - used.userCPUTime - used.systemCPUTime) / 1e6;
  peaks.push(await backend.peak(dtype, 0.5));
  const measured: Measured = { seconds, cpu, resident: maxRSS * 1024, read: readBytes() - before, peaks };
  console.log(JSON.stringify(measured));
}

/** Bytes that this process has read, where the system tells. */
function readBytes(): number {
  if (!existsSync('/proc/self/io')) return Number.NaN;
  return Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
}

async function measure(): Promise<void> {
  const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'tensim-adapters-')));
  const count = Number(values.count);
  try {
    if (!existsSync(join(folder, 'adapter_0'))) await writeAdapters(folder, count, shape);
    const own = Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'string' && name !== 'folder' ? [`--${name}`, value] : [],
    );
    const args = [process.argv[1], '--run', '--folder', folder, ...own];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    for await (const chunk of child.stdout) output += chunk;
    const { seconds, cpu, resident, read, peaks } = JSON.parse(output) as Measured;
    const { rank, width, layers } = shape;
    const flops = (count * (count + 1) * layers * 4 * rank * rank * width) / 2;
    // Of CPU time, which is what is left where others use the same cores.
    const share = (100 * flops) / cpu / median(peaks);
    const whole = (1000 * 1001 * 32 * 4 * 16 * 16 * 4096) / 2;
    console.log(
      formatTable(
        [
          'adapters',
          'layers',
          'dtype',
          'time',
          'CPU time',
          'GFLOP/s',
          'of a core’s peak',
          'peak resident',
          'times read',
        ],
        [
          [
            String(count),
            String(layers),
            dtype,
            timeCell(seconds),
            timeCell(cpu),
            (flops / seconds / 1e9).toFixed(0),
            `${share.toFixed(0)} % of ${(median(peaks) / 1e9).toFixed(0)}`,
            bytesText(resident),
            (read / (count * bytesOf(shape))).toFixed(3),
          ],
        ],
      ),
    );
    console.log(
      `1,000 adapters of rank 16, (4096, 4096), 32 layers at this rate: ${timeCell((seconds * whole) / flops)}; on ${threads} idle cores, by CPU time: ${timeCell((cpu * whole) / flops / threads)}`,
    );
  } finally {
    if (!values.keep) await rm(folder, { recursive: true });
  }
}
