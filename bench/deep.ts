/**
 * Networks of several blocks, and attention: the time of a pair by every method, and forward passes per second.
 *
 *     npm run bench:deep -- [--filter NAME]… [--dtype float64|float32] [--rounds N] [--threads N] [--json FILE]
 *
 * NAME is a part of the name of a network, of a method, or `vectors` or `tokens` for forward passes. Backends get the
 * same networks, take turns in rounds, and medians are reported; a wrong result ends the benchmark.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { FALLBACK } from '../lib/fallback/backend.js';
import { loadNative } from '../lib/machines/native.js';
import { INSTANCES } from './deep/instances.js';
import { measure, type Outcome } from './deep/measure.js';
import { forwardTable, LEGEND, leftOutLines, pairsTable } from './deep/results.js';
import { type Task, tasksOf } from './deep/tasks.js';
import { COMMON_OPTIONS, type CommonOptions, readCommonOptions } from './options.js';
import { conditions } from './support.js';

interface Options extends CommonOptions {
  readonly tasks: readonly Task[];
}

function readOptions(): Options {
  const { values } = parseArgs({ options: COMMON_OPTIONS });
  const { filter } = values;
  const tasks = INSTANCES.flatMap(tasksOf).filter(
    ({ instance, what }) => filter.length === 0 || filter.some((part) => `${instance} ${what}`.includes(part)),
  );
  if (tasks.length === 0) throw new Error(`no network and no method is called ${filter.join(' or ')}`);
  return { tasks, ...readCommonOptions(values) };
}

async function main(): Promise<void> {
  const { tasks, dtypes, rounds, threads, json } = readOptions();
  const loaded = loadNative();
  if ('reason' in loaded) console.error(`native: not available (${loaded.reason}); measuring the fallback alone`);
  const native = 'reason' in loaded ? undefined : loaded.backend;
  const instructions = 'reason' in loaded ? 'fallback' : String(loaded.details['instruction set']);
  const head = conditions(instructions, threads, rounds);
  const field = { native, fallback: FALLBACK, threads, rounds };
  const outcomes: Outcome[] = [];
  for (const task of tasks) {
    for (const dtype of dtypes) {
      console.error(
        `${outcomes.length + 1} of ${tasks.length * dtypes.length}: ${task.instance}, ${task.what}, ${dtype}`,
      );
      outcomes.push(await measure(task, dtype, field));
    }
  }
  const units = new Set(outcomes.map(({ unit }) => unit));
  const tables = [
    ...(units.has('pair') ? [pairsTable(outcomes)] : []),
    ...(units.has('input') ? [forwardTable(outcomes)] : []),
  ];
  console.log([head, ...tables, [...leftOutLines(outcomes), LEGEND].join('\n')].join('\n\n'));
  if (json !== undefined) {
    const facts = { benchmark: 'deep', processor: cpus()[0]?.model, instructions, threads, rounds };
    writeFileSync(json, `${JSON.stringify({ ...facts, outcomes }, null, 2)}\n`);
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench:deep: ${(error as Error).message}`);
  process.exitCode = 1;
}
