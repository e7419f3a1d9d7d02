/**
 * What a fleet of workers would reach on a matrix in shards, predicted from rates that are measured here:
 *
 *     npm run bench -- fleet [--models 100000] [--inputs 1024 --hidden 64 --outputs 10] [--sample 96]
 *     npm run bench -- fleet --rates 0.0019,0.0072,0.00031   seconds for a header, a file and a pair: nothing is measured
 *
 * A worker is one thread of this machine. Shards are cut as `matrixShard` cuts them; what they share is a store of files
 * with so many bytes and so many opens in a second (--bandwidth, --opens), which all workers use at once.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '../lib/formats/safetensors/write.js';
import { glimpse } from '../lib/model/reading/outline.js';
import { cutOf, pairsOf } from '../lib/shards/grid.js';
import { placesIn } from '../lib/shards/share.js';
import { similarityMatrix } from '../lib/similarity/matrix.js';
import { randomTensor } from '../test/support/models.js';
import { random } from '../test/support/random.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: '100000' },
    inputs: { type: 'string', default: '1024' },
    hidden: { type: 'string', default: '64' },
    outputs: { type: 'string', default: '10' },
    sample: { type: 'string', default: '96' },
    bandwidth: { type: 'string', default: '5e9' },
    opens: { type: 'string', default: '2e4' },
    start: { type: 'string', default: '0.5' },
    workers: { type: 'string', default: '8,64,1024' },
    rates: { type: 'string' },
  },
});
const number = (name: Exclude<keyof typeof values, 'rates'>) => Number(values[name]);
const [models, inputs, hidden, outputs] = [number('models'), number('inputs'), number('hidden'), number('outputs')];
const sample = number('sample');

/** Seconds of a thread for a header, for a file that is read, hashed and prepared, and for a pair; bytes of a file. */
async function rates() {
  const folder = mkdtempSync(join(tmpdir(), 'tensim-fleet-'));
  try {
    const draw = random(1);
    const paths: string[] = [];
    for (let i = 0; i < sample; i++) {
      const path = join(folder, `step_${i}.safetensors`);
      const weights = {
        'bi_linear.weight': randomTensor(draw, 2 * hidden, inputs),
        'projection.weight': randomTensor(draw, outputs, hidden),
      };
      await writeSafetensors(path, weights, {}, { dtype: 'F32' });
      paths.push(path);
    }
    const took = async (work: () => Promise<unknown>) => {
      const before = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e6;
    };
    const all = { route: 'factor' } as const;
    await similarityMatrix(paths.slice(0, 8), all);
    const headers = await took(async () => {
      for (const path of paths) await glimpse(path, {});
    });
    const band = await took(() => similarityMatrix(paths, { ...all, consecutive: true }));
    const whole = await took(() => similarityMatrix(paths, all));
    const bandPairs = 2 * sample - 1;
    const pair = (whole - band) / ((sample * (sample + 1)) / 2 - bandPairs);
    const file = (band - bandPairs * pair) / sample;
    return { header: headers / sample, file, pair, bytes: statSync(paths[0]).size };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Those that were given, of files that are little more than their weights. */
function given(text: string) {
  const [header, file, pair] = text.split(',').map(Number);
  return { header, file, pair, bytes: 4 * hidden * (2 * inputs + outputs) };
}

const { header, file, pair, bytes } = values.rates === undefined ? await rates() : given(values.rates);
const told = (seconds: number) =>
  seconds < 0.1 ? `${(1e3 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
console.log(
  `${values.rates === undefined ? 'measured' : 'given'} on one thread: a header ${told(header)}, a file of ${bytes} bytes ${told(file)}, a pair ${told(pair)}`,
);
const pairs = (models * (models + 1)) / 2;
const ideal = pairs * pair + models * file;
console.log(`${models} models of (${inputs}, ${hidden}, ${outputs}): ${pairs} pairs, ${told(ideal)} of one thread\n`);
console.log('workers    files  read by all   headers   largest   makespan  efficiency  with --alike   part file');
for (const workers of values.workers.split(',').map(Number)) {
  const costs = {
    pair: new Float64Array(models).fill(Math.sqrt(pair)),
    file: new Float64Array(models).fill(file),
    each: 0,
  };
  const cut = cutOf({ rows: models, columns: 0, window: null }, costs, workers);
  const files = Array.from({ length: workers }, (_, shard) => placesIn(cut, shard).length);
  const read = files.reduce((sum, own) => sum + own, 0);
  const largest = Math.max(...cut.loads);
  let most = 0;
  for (let shard = 0; shard < workers; shard++) {
    let own = 0;
    for (let tile = cut.starts[shard]; tile < cut.starts[shard + 1]; tile++) own += pairsOf(cut.grid, tile);
    most = Math.max(most, own);
  }
  // All begin at once: the store serves the opens and the bytes of all of them together.
  const makespan = (opened: number, ownHeaders: number) => {
    const store = Math.max(opened / number('opens'), (read * bytes) / number('bandwidth'));
    return number('start') + Math.max(store, ownHeaders * header) + largest;
  };
  const plain = makespan(workers * models + read, models);
  const alike = makespan(read, 1);
  const efficiency = (seconds: number) => `${((100 * ideal) / workers / seconds).toFixed(1)} %`;
  console.log(
    [
      String(workers).padStart(7),
      String(Math.max(...files)).padStart(8),
      `${((read * bytes) / 1e9).toPrecision(3)} GB`.padStart(12),
      told(Math.max((workers * models) / number('opens'), models * header)).padStart(9),
      told(largest).padStart(9),
      told(plain).padStart(10),
      efficiency(plain).padStart(11),
      efficiency(alike).padStart(13),
      `${((8 * most) / 1e6).toPrecision(3)} MB`.padStart(11),
    ].join(' '),
  );
}
