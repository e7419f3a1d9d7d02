// `npm run campaign -- churn --runs N`: files are rewritten in place, replaced, cut short, grown, removed and written
// anew while they are read. Every result must be one version whole, with the digest of that version, or one of the
// errors that say what happened.

import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { between, blockFile, oneOf, random } from './models.mjs';

/** Every number of a version is this; versions of the last shape are longer. */
const VERSIONS = [1, 2, 3, 4, 5];
/** Of some tens of KiB, written in one go, and of more than a megabyte, in many. */
const SHAPES = [
  { inputs: 64, hidden: 32, outputs: 8 },
  { inputs: 512, hidden: 256, outputs: 32 },
];
/** Files that are read at the same time, half of either size. */
const FILES = 12;
const PIECE = 1 << 16;
const EXPECTED = new Set(['FILE_CHANGED', 'FILE_NOT_FOUND', 'INVALID_FILE']);

const versionsOf = (shape) =>
  VERSIONS.map((value) =>
    blockFile({ ...shape, ...(value === VERSIONS.at(-1) && { hidden: shape.hidden + 8 }) }, () => value),
  );
const shapeOf = (file) => SHAPES[file % SHAPES.length];
const pathOf = (folder, file) => join(folder, `${file}.safetensors`);
const digestOf = (bytes) => createHash('sha256').update(bytes).digest('hex');

if (isMainThread) await main();
else churn(workerData);

/** The writer: changes one file after the other, as programs do. */
function churn({ folder, seed, stop }) {
  const draw = random(seed);
  const flag = new Int32Array(stop);
  const versions = SHAPES.map(versionsOf);
  const inPlace = (path, bytes) => {
    const handle = openSync(path, 'r+');
    for (let at = 0; at < bytes.length; at += PIECE)
      writeSync(handle, bytes, at, Math.min(PIECE, bytes.length - at), at);
    closeSync(handle);
    truncateSync(path, bytes.length);
  };
  const ways = {
    inPlace,
    anew: (path, bytes) => writeFileSync(path, bytes),
    replaced(path, bytes) {
      writeFileSync(`${path}.new`, bytes);
      renameSync(`${path}.new`, path);
    },
    grown(path, bytes) {
      writeFileSync(path, bytes.subarray(0, bytes.length >> 1));
      for (let at = bytes.length >> 1; at < bytes.length; at += PIECE)
        appendFileSync(path, bytes.subarray(at, at + PIECE));
    },
    longer(path, bytes) {
      appendFileSync(path, 'more than there should be');
      inPlace(path, bytes);
    },
    shorter(path, bytes) {
      truncateSync(path, between(draw, 0, bytes.length >> 1));
      inPlace(path, bytes);
    },
    removed(path, bytes) {
      rmSync(path);
      writeFileSync(path, bytes);
    },
  };
  while (Atomics.load(flag, 0) === 0) {
    const file = between(draw, 0, FILES - 1);
    ways[oneOf(draw, Object.keys(ways))](pathOf(folder, file), oneOf(draw, versions[file % SHAPES.length]));
    // Sometimes long enough for a file to be read, and to be older than the tick of its times.
    Atomics.wait(flag, 0, 0, draw() < 0.2 ? 40 * draw() : 3 * draw());
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
      filter: { type: 'string', default: '' },
      library: { type: 'string', default: 'dist/index.js' },
    },
  });
  const { loadModel, inspect, similarityMatrix, convert } = await import(pathToFileURL(resolve(values.library)).href);
  const [runs, seed] = [Number(values.runs), Number(values.seed)];
  const draw = random(seed);
  const folder = mkdtempSync(join(tmpdir(), 'tensim-churn-'));
  const known = SHAPES.map((shape) => new Map(versionsOf(shape).map((bytes, i) => [digestOf(bytes), VERSIONS[i]])));
  for (let file = 0; file < FILES; file++) writeFileSync(pathOf(folder, file), versionsOf(shapeOf(file))[0]);
  const still = join(folder, 'still.safetensors');
  writeFileSync(
    still,
    blockFile(SHAPES[0], () => 0.5),
  );

  /** The version of a digest; what else it may be is a mistake. */
  const versionOf = (file, digest) =>
    known[file % SHAPES.length].get(digest) ?? fail(`the digest ${digest} is of no version`);
  const fail = (what) => {
    throw new Error(what);
  };
  const checkWeights = ({ parameters }, value) => {
    for (const [name, { data }] of parameters)
      for (let i = 0; i < data.length; i += i + 7 < data.length ? 7 : 1)
        if (data[i] !== value) fail(`${name} has ${data[i]} at ${i}, in the version of ${value}`);
  };
  const READERS = {
    async loadModel(path, file) {
      const model = await loadModel(path);
      checkWeights(model, versionOf(file, model.provenance.sha256));
    },
    async inspect(path, file) {
      const { sha256, problems } = await inspect(path);
      versionOf(file, sha256);
      if (problems.length > 0) fail(`a whole version has ${problems[0].message}`);
    },
    async similarityMatrix(path, file) {
      const shape = shapeOf(file);
      const size = (hidden) => hidden * (2 * shape.inputs + shape.outputs);
      const options = { measure: 'weights', ...(draw() < 0.3 && { memoryLimit: '64MiB' }) };
      const [[product]] = (await similarityMatrix([path], options)).gram;
      const found = VERSIONS.some((value) => {
        const hidden = shape.hidden + (value === VERSIONS.at(-1) ? 8 : 0);
        return product === size(hidden) * value ** 2;
      });
      if (!found) fail(`the square of the norm, ${product}, is that of no version`);
    },
    async convert(path, file) {
      const output = join(folder, `${file}.out.safetensors`);
      await convert(path, output);
      const model = await loadModel(output);
      const [first] = model.parameters.values();
      if (!VERSIONS.includes(first.data[0])) fail(`${first.data[0]} is of no version`);
      checkWeights(model, first.data[0]);
    },
  };
  const names = Object.keys(READERS).filter((name) => name.includes(values.filter));

  const counts = Object.fromEntries(names.map((name) => [name, {}]));
  const mistakes = [];
  const add = (name, outcome) => {
    counts[name][outcome] = (counts[name][outcome] ?? 0) + 1;
  };
  let begun = 0;
  async function readOn(file) {
    while (begun < runs && mistakes.length < 20) {
      const [task, name] = [begun++, oneOf(draw, names)];
      try {
        await READERS[name](pathOf(folder, file), file);
        add(name, 'whole');
      } catch (error) {
        if (EXPECTED.has(error?.code)) add(name, error.code);
        else mistakes.push(`read ${task} of file ${file} by ${name}: ${error?.stack ?? error}`);
      }
      if (task % 1000 === 999) console.log(`${task + 1} reads, ${mistakes.length} mistakes`);
    }
  }

  const stop = new SharedArrayBuffer(4);
  const writer = new Worker(new URL(import.meta.url), { workerData: { folder, seed, stop } });
  writer.on('error', (error) => mistakes.push(`the writer: ${error.stack}`));
  const ended = new Promise((done) => writer.on('exit', done));
  try {
    await Promise.all(Array.from({ length: FILES }, (_, file) => readOn(file)));
  } finally {
    Atomics.store(new Int32Array(stop), 0, 1);
    Atomics.notify(new Int32Array(stop), 0);
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
  for (const mistake of mistakes) console.error(`MISTAKE with --seed ${seed}, ${mistake}`);
  console.log(`${begun} reads: ${JSON.stringify(counts)}; ${mistakes.length} mistakes`);
  process.exitCode = mistakes.length > 0 ? 1 : 0;
}
