import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { LLAMA2C_SIZES, llama2c } from '../../support/llama2c.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';

const folder = temporaryFolder();
const { embedding: EMBEDDING, layer: LAYER, norm: NORM, tables: TABLES } = LLAMA2C_SIZES;
/** What a network has whose last layer is the embedding. */
const SHARED = EMBEDDING + 2 * LAYER + NORM;

describe('models of llama2.c', () => {
  const firstOf = async (bytes: Buffer, names: readonly string[]) => {
    const checkpoint = await openCheckpoint(fileIn(folder, 'stories.bin', bytes));
    try {
      expect(checkpoint.format).toBe('llama2c');
      const read: [number, ...number[]][] = [];
      for (const name of names) {
        const { data, shape } = await checkpoint.read(name);
        read.push([data[0], ...shape]);
      }
      return { read, names: [...checkpoint.tensors.keys()], metadata: checkpoint.metadata };
    } finally {
      await checkpoint.close();
    }
  };

  test('of version 0 have a tensor for every layer, named as in the checkpoints of Meta, and their settings', async () => {
    const names = ['tok_embeddings.weight', 'layers.1.attention_norm.weight', 'layers.0.attention.wq.weight'];
    const more = ['layers.1.attention.wk.weight', 'layers.1.feed_forward.w2.weight', 'norm.weight', 'freqs_cos'];
    const { read, ...rest } = await firstOf(llama2c({ version: 0 }), [...names, ...more]);
    const afterQ = EMBEDDING + 16 + 128;
    const afterNorms = EMBEDDING + 2 * (16 + 128 + 64);
    expect(read).toEqual([
      [0, 5, 8],
      [EMBEDDING + 8, 8],
      [EMBEDDING + 16, 8, 8],
      [afterQ + 32, 4, 8],
      [afterNorms + 2 * 96 + 96, 8, 12],
      [SHARED - 8, 8],
      [SHARED, 3, 2],
    ]);
    expect(rest.names).toHaveLength(1 + 2 * 9 + 1 + 2);
    expect(rest.metadata).toEqual({
      ...{ dim: '8', hidden_dim: '12', n_layers: '2', n_heads: '2', n_kv_heads: '1', vocab_size: '5' },
      ...{ max_seq_len: '3', tie_word_embeddings: 'true' },
    });
  });

  test('of version 0 with a negative vocabulary have a last layer of their own', async () => {
    const { read, metadata } = await firstOf(llama2c({ version: 0, shared: false }), ['output.weight']);
    expect([read, metadata.tie_word_embeddings]).toEqual([[[SHARED + TABLES, 5, 8]], 'false']);
  });

  test.each([true, false])('of version 1, shared: %s, have the norms first', async (shared) => {
    const names = ['layers.1.ffn_norm.weight', 'norm.weight', 'tok_embeddings.weight'];
    const { read, metadata } = await firstOf(
      llama2c({ version: 1, shared }),
      shared ? names : [...names, 'output.weight'],
    );
    expect(read.map(([first]) => first)).toEqual([24, 32, 40, ...(shared ? [] : [SHARED])]);
    expect(metadata.tie_word_embeddings).toBe(String(shared));
  });

  test('that are quantised are refused with what helps', async () => {
    const error = await rejection(openCheckpoint(fileIn(folder, 'stories', llama2c({ version: 2, floats: 10 }))));
    expect(error).toMatchObject({ code: 'INVALID_FILE', hint: expect.stringContaining('--version 0 or 1') });
    expect(error.message).toMatch(/version 2, which is quantised/);
  });

  test('of which a part is missing are not taken for such', async () => {
    const whole = llama2c({ version: 0 });
    for (const bytes of [whole.subarray(0, -4), Buffer.concat([whole, Buffer.alloc(4)]), whole.subarray(0, 28)]) {
      const error = await rejection(openCheckpoint(fileIn(folder, 'stories.bin', bytes)));
      expect(error).toMatchObject({ code: 'INVALID_FILE' });
    }
  });
});
