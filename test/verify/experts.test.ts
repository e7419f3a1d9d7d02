import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { verify } from '../../lib/verify/verify.js';
import { folderOf } from '../replay/folders.js';
import { asSeparate, mixtureConfig, trainedMixture } from '../replay/layouts.js';
import { trainedMatrix } from '../replay/models.js';
import { random } from '../support/random.js';
import { columnsOf, type Given, rowsOf } from '../support/transformers.js';

/* Networks with an expert that every token is given, beside those that the router chooses. */

const root = mkdtempSync(join(tmpdir(), 'tensim-experts-'));
afterAll(() => rmSync(root, { recursive: true }));

const mixture = trainedMixture(3, 4);
const { d, units } = mixture.sizes;
const SHARED = 'model.layers.1.mlp.shared_expert.';

/** As Qwen names them, with a shared expert in every layer. */
function withShared(): Given {
  const draw = random(12);
  const tensors: Given = {};
  for (const [name, tensor] of Object.entries(asSeparate(mixture))) {
    const [, before, expert, part] = /^(.*)block_sparse_moe\.experts\.(\d+)\.w(\d)\.weight$/.exec(name) ?? [];
    const own =
      part === undefined
        ? name.replace('block_sparse_moe', 'mlp')
        : `${before}mlp.experts.${expert}.${['gate', 'down', 'up'][Number(part) - 1]}_proj.weight`;
    tensors[own] = tensor;
  }
  for (const number of mixture.network.layers.keys()) {
    const shared = `model.layers.${number}.mlp.shared_expert`;
    tensors[`${shared}.gate_proj.weight`] = [trainedMatrix(draw, units, d), units, d];
    tensors[`${shared}.up_proj.weight`] = [trainedMatrix(draw, units, d), units, d];
    tensors[`${shared}.down_proj.weight`] = [trainedMatrix(draw, d, units, 0.5), d, units];
    tensors[`${shared}_gate.weight`] = [trainedMatrix(draw, 1, d), 1, d];
  }
  return tensors;
}

const config = { ...mixtureConfig(mixture), model_type: 'qwen2_moe' };
let count = 0;
async function compare(reference: Given, candidate: Given) {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  return verify(
    await folderOf(folder, 'reference', reference, config),
    await folderOf(folder, 'candidate', candidate, config),
  );
}

/** Another matrix in the place of one of the shared expert of layer 1. */
const edited = (tensors: Given, part: string, change: (data: Float64Array) => Float64Array): Given => {
  const name = `${SHARED}${part}_proj.weight`;
  const [data, ...shape] = tensors[name];
  return { ...tensors, [name]: [change(data.slice()), ...shape] };
};

/** Its units in another order, and each at a scale of its own. */
function rewritten(tensors: Given): Given {
  const order = Array.from({ length: units }, (_, unit) => (unit * 5 + 3) % units);
  const scales = order.map((_, unit) => 1.5 ** ((unit % 7) - 3));
  const up = edited(tensors, 'up', (data) =>
    rowsOf(data, d, order).map((value, at) => Math.fround(value * scales[Math.floor(at / d)])),
  );
  const down = edited(up, 'down', (data) =>
    columnsOf(data, d, order).map((value, at) => Math.fround(value / scales[at % units])),
  );
  return edited(down, 'gate', (data) => rowsOf(data, d, order));
}

test('units of a shared expert in another order, at another scale, are the same function', async () => {
  const tensors = withShared();
  const { verdict, outcome, layouts } = await compare(tensors, rewritten(tensors));
  expect([verdict, outcome]).toEqual(['other-layout', 'pass']);
  expect(layouts.map(({ kind }) => kind)).toContain('units-permuted');
});

test('a unit of a shared expert that hardly counts for any input does not pass as another', async () => {
  // What it writes is far below the rounding of all others: the function as a whole tells nothing of it.
  const quiet = edited(withShared(), 'down', (data) =>
    data.map((value, at) => (at % units === 0 ? Math.fround(1e-6 * value) : value)),
  );
  const other = edited(quiet, 'gate', (data) => data.map((value, at) => (at < d ? -value : value)));
  const { outcome } = await compare(quiet, rewritten(other));
  expect(outcome).not.toBe('pass');
});
