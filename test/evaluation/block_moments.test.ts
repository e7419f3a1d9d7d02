import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blockMoments } from '../../lib/evaluation/moments/block_moments.js';
import { loadSequences } from '../../lib/evaluation/moments/sequences.js';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { createModel } from '../../lib/model/create.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { tensim } from '../cli/run.js';
import { availableBackends } from '../support/backends.js';
import { difference } from '../support/forward.js';
import { logitsOf, type Program } from '../support/transformer_loops.js';
import type { Given } from '../support/transformers.js';
import { asGpt2, asLlama, asNeox, type SmallTransformer, smallTransformer } from '../support/whole_transformers.js';

const silu = (u: number) => u / (1 + Math.exp(-u));
const geluTanh = (u: number) => 0.5 * u * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u ** 3)));

const SHARED = smallTransformer(5, 2);
const PLAIN = smallTransformer(6, 4);
const HEADS = { num_attention_heads: 4, num_key_value_heads: 2, hidden_act: 'silu', rms_norm_eps: 1e-5 };

interface Case {
  readonly network: SmallTransformer;
  readonly tensors: Given;
  readonly config: Readonly<Record<string, unknown>>;
  readonly program: Program;
}
const LLAMA: Program = { norm: 'rms', epsilon: 1e-5, activation: silu, gated: true, rotary: [4, 10_000] };
const CASES: Readonly<Record<string, Case>> = {
  Llama: { network: SHARED, tensors: asLlama(SHARED), config: HEADS, program: LLAMA },
  'OLMo 2, whose blocks take the stream itself': {
    network: SHARED,
    tensors: asLlama(SHARED, { norms: 'behind', innerNorms: 'all' }),
    config: { ...HEADS, model_type: 'olmo2' },
    program: { ...LLAMA, norms: 'behind', innerNorms: 'all' },
  },
  'GPT-2': {
    network: PLAIN,
    tensors: asGpt2(PLAIN, true),
    config: { n_head: 4, activation_function: 'gelu_new' },
    program: { norm: 'layer', epsilon: 1e-5, activation: geluTanh, biases: true, learned: true, tied: true },
  },
  'GPT-NeoX, whose blocks are parallel': {
    network: PLAIN,
    tensors: asNeox(PLAIN),
    config: { num_attention_heads: 4, hidden_act: 'gelu_new', rotary_pct: 0.5 },
    program: {
      ...{ norm: 'layer', epsilon: 1e-5, activation: geluTanh, biases: true },
      rotary: [2, 1e4],
      parallel: true,
    },
  },
};
// Of three lengths.
const SEQUENCES = [[0, 1, 2, 3, 4, 0], [4, 4, 1], [3, 0, 0, 2, 1, 1], [2]];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tensim-moments-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function written(name: string): Promise<string> {
  const { tensors, config } = CASES[name];
  const given = Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }] as const);
  const path = join(folder, `${name}.safetensors`);
  await writeSafetensors(path, Object.fromEntries(given));
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return path;
}

/** Mean and covariance of the loops, with every vector in memory. */
function direct({ network, program }: Case): Map<string, number[]> {
  const seen = new Map<string, (readonly number[])[]>();
  for (const tokens of SEQUENCES)
    logitsOf(network, program, tokens, (block, x) => seen.set(block, [...(seen.get(block) ?? []), x]));
  const found = new Map<string, number[]>();
  for (const [block, rows] of seen) {
    const average = (value: (row: readonly number[]) => number) =>
      rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
    const mean = rows[0].map((_, i) => average((row) => row[i]));
    found.set(`${block}.mean`, mean);
    const covariance = mean.flatMap((_, i) =>
      mean.map((__, j) => average((row) => (row[i] - mean[i]) * (row[j] - mean[j]))),
    );
    found.set(`${block}.cov`, covariance);
  }
  return found;
}

describe.each(Object.keys(CASES))('%s', (name) => {
  test('gives the moments that loops give, on every backend', async () => {
    const model = await loadModel(await written(name));
    const expected = direct(CASES[name]);
    for (const backend of availableBackends) {
      const found = await blockMoments(model, SEQUENCES, { backend });
      expect(found).toMatchObject({ kind: 'moments', tokens: 16, sequences: 4 });
      expect([...found.tensors.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [key, { data, shape }] of found.tensors) {
        expect(shape).toEqual(key.endsWith('.mean') ? [12] : [12, 12]);
        expect(difference(data, expected.get(key)!)).toBeLessThan(1e-12);
      }
    }
  });
});

describe('sequences', () => {
  const put = async (name: string, text: string) => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };

  test('are read from text, from lists, and from tensors', async () => {
    expect(await loadSequences(await put('ids.txt', '\ufeff1 2,3\r\n\n[4, 5]\n6'))).toEqual([[1, 2, 3], [4, 5], [6]]);
    expect(await loadSequences(await put('ids.json', '[[1, 2,\n 3], [], [4]]'))).toEqual([[1, 2, 3], [4]]);
    expect(await loadSequences(await put('one.json', '[7, 8]'))).toEqual([[7, 8]]);
  });

  test.each([
    ['words', 'a.txt', '1 2\nonce upon', /"o".*line 2/],
    ['fractions', 'a.json', '[[1.5]]', /"\.".*line 1/],
    ['numbers that are none', 'a.txt', '99999999999', /no token id/],
  ])('of %s are refused', async (_, name, text, message) => {
    await expect(loadSequences(await put(name, text))).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringMatching(message),
    });
  });

  test('that a model does not take are refused', async () => {
    const model = await loadModel(await written('GPT-2'));
    const refused = (sequences: number[][], code: string) =>
      expect(blockMoments(model, sequences)).rejects.toMatchObject({ code });
    await refused([[0, 5]], 'INVALID_ARGUMENT');
    await refused([[0.5]], 'INVALID_ARGUMENT');
    await refused([[]], 'INVALID_ARGUMENT');
    await refused([], 'INVALID_ARGUMENT');
    await refused([[0, 1, 2, 3, 4, 0, 1, 2, 3]], 'SHAPE_MISMATCH');
  });
});

test('a model without blocks is refused', async () => {
  const linear = createModel({ layers: [{ type: 'linear', weight: tensor([1, 2], [1, 2]) }] });
  await expect(blockMoments(linear, [[0]])).rejects.toMatchObject({ code: 'UNSUPPORTED_LAYER' });
});

describe('from the command line', () => {
  test('a file of moments is written, and says of what', async () => {
    const model = await written('Llama');
    const [tokens, out] = [join(folder, 'tokens.txt'), join(folder, 'out.safetensors')];
    await writeFile(tokens, SEQUENCES.map((one) => one.join(' ')).join('\n'));
    const { code, stderr } = await tensim(['moments', model, '--tokens', tokens, '--out', out]);
    expect(stderr).toMatch(/moments of 4 blocks on 16 tokens in 4 sequences/);
    expect(code).toBe(0);
    const file = await openCheckpoint(out);
    try {
      expect(file.metadata).toMatchObject({ family: 'llama', tokens: '16' });
      const { data } = await file.read('mlp.1.cov');
      expect(difference(data, direct(CASES.Llama).get('mlp.1.cov')!)).toBeLessThan(1e-12);
    } finally {
      await file.close();
    }
  });

  test('Ctrl-C ends it', async () => {
    const model = await written('Llama');
    await writeFile(join(folder, 'tokens.txt'), '0 1');
    const controller = new AbortController();
    controller.abort();
    const args = ['moments', model, '--tokens', join(folder, 'tokens.txt'), '--out', join(folder, 'gone.safetensors')];
    expect((await tensim(args, { signal: controller.signal })).code).toBe(130);
  });

  test('another ending is refused before anything is read', async () => {
    const { code, stderr } = await tensim(['moments', 'gone', '--tokens', 'gone', '--out', join(folder, 'out.npz')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/written as .safetensors/);
  });
});
