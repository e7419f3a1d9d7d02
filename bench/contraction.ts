/**
 * The contraction engine: strategies against each other, against the fallback, and against numpy where there is one.
 *
 *     npm run bench:contraction -- [--filter NAME]… [--dtype float64|float32] [--rounds N] [--threads N] [--python COMMAND]
 *                                  [--json FILE] [--chart FILE.svg]
 *     npm run bench:contraction -- --costs        the paths of the default cost against those of the fewest flops
 *
 * All contestants get the same data and the same number of threads, take turns in rounds, and medians are reported; a
 * wrong result ends the benchmark. NAME is a part of the name of an instance, or its group. COMMAND is the Python whose
 * numpy takes part; without it the first that has one. Environment variables reach it: OPENBLAS_CORETYPE chooses the
 * kernels of its OpenBLAS.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

import { loadNative } from '../lib/machines/native.js';
import type { DType } from '../lib/tensor/tensor.js';
import { outcomesSvg } from './contraction/chart.js';
import { type CostOutcome, costsTable, hasChoice, measureCosts } from './contraction/costs.js';
import type { Engine } from './contraction/engines.js';
import { INSTANCES, type Instance } from './contraction/instances.js';
import { type Field, measure } from './contraction/measure.js';
import { NumpyPeer } from './contraction/numpy.js';
import { LEGEND, type Outcome, outcomesTable } from './contraction/results.js';
import { COMMON_OPTIONS, type CommonOptions, readCommonOptions } from './options.js';
import { INTERPRETERS } from './python.js';
import { conditions } from './support.js';

interface Options extends CommonOptions {
  readonly instances: readonly Instance[];
  readonly costs: boolean;
  readonly interpreters: readonly string[];
  readonly chart: string | undefined;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      ...COMMON_OPTIONS,
      costs: { type: 'boolean', default: false },
      python: { type: 'string' },
      chart: { type: 'string' },
    },
  });
  const { filter, costs, python, chart } = values;
  const instances = INSTANCES.filter(
    ({ name, group }) => filter.length === 0 || filter.some((part) => name.includes(part) || group === part),
  );
  if (instances.length === 0) throw new Error(`no instance is called ${filter.join(' or ')}`);
  const interpreters = python === undefined ? INTERPRETERS : [python];
  return { instances, costs, interpreters, chart, ...readCommonOptions(values) };
}

/** Calls `run` for every instance and dtype, saying on standard error how far it is. */
async function forAll<Result>(
  { instances, dtypes }: Pick<Options, 'instances' | 'dtypes'>,
  run: (instance: Instance, dtype: DType) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const total = instances.length * dtypes.length;
  for (const instance of instances) {
    for (const dtype of dtypes) {
      console.error(`${results.length + 1} of ${total}: ${instance.name}, ${dtype}`);
      results.push(await run(instance, dtype));
    }
  }
  return results;
}

async function compareAll(options: Options, field: Field, head: string): Promise<void> {
  const numpy = await NumpyPeer.start(field.threads, options.interpreters);
  const peer = numpy
    ? `numpy ${numpy.info.numpy} (Python ${numpy.info.python}; ${numpy.info.blas})`
    : 'numpy: not available';
  try {
    const outcomes: Outcome[] = await forAll(options, (instance, dtype) =>
      measure(instance, dtype, { ...field, numpy }),
    );
    console.log(`${head}\n${peer}\n\n${outcomesTable(outcomes)}\n\n${LEGEND}`);
    for (const { instance, dtype, refusals } of outcomes) {
      for (const { name, reason } of refusals)
        console.log(`${instance}, ${dtype}: numpy's ${name} is left out: ${reason}`);
    }
    writeJson(options, { numpy: numpy?.info, outcomes });
    if (options.chart !== undefined) writeFileSync(options.chart, await outcomesSvg(outcomes, 'Contractions'));
  } finally {
    numpy?.stop();
  }
}

async function compareCosts(options: Options, field: Field, head: string): Promise<void> {
  const outcomes: CostOutcome[] = [];
  for (const engine of field.engines) {
    const chosen = { ...options, instances: options.instances.filter(hasChoice) };
    outcomes.push(...(await forAll(chosen, (instance, dtype) => measureCosts(instance, dtype, engine, field))));
  }
  console.log(`${head}\n\n${costsTable(outcomes)}\n`);
  console.log(
    'flop, MB, time: of the path by the default cost, and of the one with the fewest flop; ratio: of the times',
  );
  writeJson(options, { outcomes });
}

function writeJson({ json, costs, rounds, threads }: Options, content: object): void {
  if (json === undefined) return;
  const benchmark = costs ? 'contraction costs' : 'contraction';
  const facts = { benchmark, processor: cpus()[0]?.model, threads, rounds };
  writeFileSync(json, `${JSON.stringify({ ...facts, ...content }, null, 2)}\n`);
}

async function main(): Promise<void> {
  const options = readOptions();
  const { threads, rounds } = options;
  const loaded = loadNative();
  if ('reason' in loaded) console.error(`native: not available (${loaded.reason}); measuring the fallback alone`);
  const native = 'reason' in loaded ? undefined : loaded.backend;
  const engines: Engine[] = native === undefined ? ['fallback'] : ['native', 'fallback'];
  const field: Field = { engines, native, numpy: undefined, threads, rounds };
  const instructions = 'reason' in loaded ? 'fallback' : String(loaded.details['instruction set']);
  const head = conditions(instructions, threads, rounds);
  await (options.costs ? compareCosts : compareAll)(options, field, head);
}

try {
  await main();
} catch (error) {
  console.error(`bench:contraction: ${(error as Error).message}`);
  process.exitCode = 1;
}
