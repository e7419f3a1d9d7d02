import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBaseline } from '../../../lib/cli/baseline.js';
import { readInput } from '../../../lib/cli/input_file.js';
import { createModel } from '../../../lib/model/create.js';
import type { Model } from '../../../lib/model/model.js';
import { judge } from '../../../lib/similarity/gate/gate.js';
import { similarityMatrix } from '../../../lib/similarity/matrix.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import type { Matrix, MatrixOptions } from '../../../lib/similarity/terms/types.js';
import { tensim } from '../../cli/run.js';
import { bilinearShapes, counting } from '../../model/helpers.js';
import { type Reader, type Target, Wrong } from '../engine/target.js';
import { jsonMutation, smallerJson, textOf } from '../mutation/json.js';
import { fewerRecords, mutateState, stateFile } from '../mutation/state.js';
import { accepted, checkpointOf, leftOut } from './files.js';

/** Models of two inputs, three hidden units and two outputs. */
const models = (): Model[] =>
  ['a', 'b', 'c'].map((label, i) =>
    createModel({
      label,
      layers: [
        { type: 'bilinear', left: counting([3, 2], i), right: counting([3, 2], 2 * i + 1), down: counting([2, 3], 5) },
      ],
    }),
  );

/** Inner products by which a state file may be asked for. */
const ASKED: readonly MatrixOptions[] = [{}, { perOutput: true }, { input: { sigma: 2 } }, { reference: 'b' }];

const ask = (path: string, given: readonly Model[], options: MatrixOptions) =>
  similarityMatrix(given, { ...options, state: path, route: 'factor', threads: 1 });

const bitsOf = ({ gram }: { readonly gram: Matrix }) =>
  Buffer.concat(gram.map((row) => Buffer.from(Float64Array.from(row).buffer))).toString('hex');

export const readsStates: Target = {
  name: 'state',
  about: 'state files of matrices, with checks that are right',
  mutate: mutateState,
  simplify: fewerRecords,
  async prepare(folder) {
    const path = join(folder, 'matrix.state');
    // Two hold equal weights, and are one in the file; those after them have numbers of their own there.
    const given = [models()[0], ...models()];
    const seeds: Uint8Array[] = [stateFile([]), Buffer.alloc(0)];
    rmSync(path, { force: true });
    for (const options of ASKED) {
      await ask(path, given, options);
      seeds.push(readFileSync(path));
    }
    const read: Reader = async (bytes) => {
      writeFileSync(path, bytes);
      const options = ASKED[bytes.length % ASKED.length];
      const first = bitsOf(await ask(path, given, options));
      const { size } = statSync(path);
      const second = bitsOf(await ask(path, given, options));
      if (first !== second) throw new Wrong('what a state file has gives another matrix than what is computed into it');
      if (statSync(path).size !== size) throw new Wrong('a finished matrix was computed again');
      // Where everything was known nothing is added, and what is damaged is cut off.
      return accepted(first, size === bytes.length);
    };
    return { seeds, read };
  },
};

const COMPARED = ['one', 'other'];

/** Two checkpoints in a folder. */
function writePair(folder: string): [string, string] {
  const [one, other] = COMPARED.map((name) => join(folder, `${name}.safetensors`));
  writeFileSync(one, checkpointOf(bilinearShapes()));
  writeFileSync(other, checkpointOf(bilinearShapes(), {}, 'BF16'));
  return [one, other];
}

export const readsBaselines: Target = {
  name: 'baseline',
  about: 'baselines of gates',
  mutate: jsonMutation({
    words: [
      ...[
        'schema',
        'similarity',
        'standardError',
        'sampling',
        'perOutput',
        'measure',
        'method',
        'exact',
        'dtype',
        'input',
      ],
      ...['inputDigest', 'normB', 'reference', 'sha256', 'comparison', 'name', 'effectiveSamples', 'reached', '0', '1'],
      ...['tensim.gate/1', 'tensim.compare/1', 'gaussian', 'sampled', 'float64', 'standard', '__proto__', 'NaN'],
    ],
  }),
  simplify: smallerJson,
  async prepare(folder) {
    const path = join(folder, 'baseline.json');
    const [one, other] = writePair(folder);
    const { stdout } = await tensim(['compare', one, other, '--json', '--per-output']);
    const gated = await tensim(['gate', one, '--against', other, '--format', 'json']);
    const sampled = await tensim([
      'compare',
      one,
      other,
      '--json',
      '--per-output',
      '--method',
      'sampled',
      '--max-samples',
      '1024',
    ]);
    const seeds = [stdout, gated.stdout, sampled.stdout].map((text) => textOf(JSON.parse(text)));
    const [a, b] = models();
    const comparison = await similarity(a, b, { perOutput: true });
    const read: Reader = async (bytes) => {
      writeFileSync(path, bytes);
      const { reference: _, ...baseline } = await readBaseline(path);
      const withoutNorm = { ...baseline, normB: comparison.normB };
      const verdict = judge(comparison, { baseline: withoutNorm, min: -1, minOutput: -1 });
      for (const { outcome, similarity: value } of verdict.checks)
        if (outcome === 'pass' && !Number.isFinite(value)) throw new Wrong('what is no number has passed');
      return accepted(JSON.stringify(verdict));
    };
    return { seeds, read };
  },
};

export const readsLaws: Target = {
  name: 'law',
  about: 'laws of the input, by name and from files',
  mutate: jsonMutation({
    words: ['mean', 'cov', 'standard', 'onehot', 'tokens', 'sigma=', 'sigma=1e-3', 'sigma=1e308', 'name'],
  }),
  simplify: smallerJson,
  async prepare(folder) {
    const path = join(folder, 'law.json');
    const [a, b] = models();
    const seeds = [
      Buffer.from('sigma=2'),
      Buffer.from('onehot'),
      ...[
        { mean: [1, -1] },
        {
          cov: [
            [2, 1],
            [1, 2],
          ],
        },
        {
          mean: [0.5, 0],
          cov: [
            [1, 1],
            [1, 1],
          ],
        },
      ].map(textOf),
    ];
    const read: Reader = async (bytes) => {
      const text = Buffer.from(bytes).toString();
      const named = /^[a-z=\d.e+-]*$/i.test(text);
      if (!named) writeFileSync(path, bytes);
      const input = await readInput(named ? text : path);
      if (input === 'tokens') throw leftOut();
      const { innerProduct, similarity: value } = await similarity(a, b, { input, threads: 1 });
      if (value !== null && Math.abs(value) > 1) throw new Wrong(`a similarity of ${value}`);
      return accepted(`${innerProduct} ${value}`);
    };
    return { seeds, read };
  },
};
