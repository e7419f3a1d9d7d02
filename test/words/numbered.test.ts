import { describe, expect, it } from 'vitest';
import { layersText, numberedNames, numberRuns } from '../../lib/words/numbered.js';

const inLayers = (count: number, rest: string, head = 'model.layers.') =>
  Array.from({ length: count }, (_, layer) => `${head}${layer}.${rest}`);

describe('names of tensors in few words', () => {
  it('tell what differs in the number of its layer once', () => {
    const keys = inLayers(32, 'self_attn.k_proj.weight');
    expect(numberedNames(keys)).toBe('self_attn.k_proj of layers 0 to 31');
    expect(numberedNames(keys.toSpliced(3, 1))).toBe('self_attn.k_proj of layers 0 to 2 and 4 to 31');
    expect(numberedNames(inLayers(2, 'attn_k.weight', 'blk.'))).toBe('attn_k of layers 0 and 1');
    expect(numberedNames(inLayers(3, 'attn.c_attn.bias', 'transformer.h.'))).toBe('attn.c_attn.bias of layers 0 to 2');
    expect(numberedNames([...keys, ...inLayers(32, 'self_attn.q_proj.weight')])).toBe(
      'self_attn.k_proj and self_attn.q_proj of layers 0 to 31',
    );
  });

  it('tell names that stand alone whole', () => {
    expect(numberedNames(['lm_head.weight'])).toBe('lm_head.weight');
    expect(numberedNames(['model.layers.7.mlp.up_proj.weight', 'model.norm.weight'])).toBe(
      'model.layers.7.mlp.up_proj.weight and model.norm.weight',
    );
    expect(numberedNames(['layers/3/w'])).toBe('layers/3/w');
    expect(numberedNames([])).toBe('');
  });

  it('put experts together where they are of the same layers', () => {
    const experts = [0, 1, 2, 5].flatMap((expert) => inLayers(4, `mlp.experts.${expert}.up_proj.weight`));
    expect(numberedNames(experts)).toBe('mlp.experts.*.up_proj (* is 0 to 2 and 5) of layers 0 to 3');
    expect(numberedNames(experts.slice(0, 5))).toBe(
      'mlp.experts.0.up_proj of layers 0 to 3 and model.layers.0.mlp.experts.1.up_proj.weight',
    );
    expect(numberedNames(['fc.0.weight', 'fc.1.weight'])).toBe('fc.*.weight (* is 0 and 1)');
  });

  it('say where stacks are told apart by what stands before', () => {
    const names = ['encoder.layers.', 'decoder.layers.'].flatMap((head) => inLayers(2, 'fc1.weight', head));
    expect(numberedNames(names)).toBe('encoder.layers.fc1 and decoder.layers.fc1 of layers 0 and 1');
  });

  it('are few, whatever there is to tell', () => {
    const parts = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'];
    expect(numberedNames(parts.flatMap((part) => inLayers(9, `${part}.weight`)))).toBe(
      'q, k, v and o of layers 0 to 8 and 3 more',
    );
    const odd = Array.from({ length: 5000 }, (_, i) => `tensor_${i}_x`);
    expect(numberedNames(odd)).toBe('tensor_0_x, tensor_1_x, tensor_2_x, tensor_3_x and 4,996 more');
  });

  it('are on one line', () => {
    expect(numberedNames(['a\nPASS', 'layers.0.a\u001b[2J', 'layers.1.a\u001b[2J'])).toBe(
      'a\\u{a}PASS and a\\u{1b}[2J of layers 0 and 1',
    );
  });
});

it('numbers are told by their runs, or by their ends where these are many', () => {
  expect(numberRuns([])).toBe('');
  expect(numberRuns([4, 2, 3, 9, 9])).toBe('2 to 4 and 9');
  expect(numberRuns([0, 1, 5])).toBe('0, 1 and 5');
  expect(numberRuns([0, 2, 4, 6, 8, 10])).toBe('6 from 0 to 10');
  expect([layersText([3]), layersText([0, 1, 2])]).toEqual(['layer 3', 'layers 0 to 2']);
});
