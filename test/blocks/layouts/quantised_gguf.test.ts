import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { withCheckpoint } from '../../../lib/model/reading/model_file.js';
import { rejection, temporaryFolder } from '../../formats/safetensors/helpers.js';
import { writeNetwork } from '../../support/block_files.js';
import { gguf, ggufFloats } from '../../support/gguf.js';
import { ggufMetadata, type PackedType, quantisedGguf } from '../../support/quantise.js';
import { random } from '../../support/random.js';
import { type SmallLayer, TOKENS } from '../../support/transformers.js';
import { asGguf, asLlama, type SmallTransformer } from '../../support/whole_transformers.js';

const root = temporaryFolder();

/** A network whose rows are whole blocks of 256. */
const WIDTH = 256;
function wideTransformer(seed: number): SmallTransformer {
  const { normal } = random(seed);
  const draw = (count: number, scale: number) =>
    Float64Array.from({ length: count }, () => Math.fround(scale * normal()));
  const matrix = (rows: number) => draw(rows * WIDTH, 1 / Math.sqrt(WIDTH));
  const gains = () => draw(WIDTH, 0.1).map((gain) => Math.fround(1 + gain));
  const embedding = matrix(TOKENS);
  const layers = Array.from(
    { length: 2 },
    (): SmallLayer => ({
      ...{ d: WIDTH, heads: 8, groups: 4, width: 32, units: WIDTH, embedding },
      ...{ query: matrix(256), key: matrix(128), value: matrix(128), output: matrix(256) },
      ...{ gate: matrix(256), up: matrix(256), down: matrix(256), gains: [gains(), gains()] },
      ...{ queryBias: gains(), keyBias: gains(), valueBias: gains(), outputBias: gains() },
      ...{ upBias: gains(), downBias: gains(), shifts: [gains(), gains()] },
    }),
  );
  const none = new Float64Array(0);
  const pairs = layers.map(() => [none, none] as const);
  return {
    ...{ layers, embedding, unembedding: matrix(TOKENS), unembeddingBias: none, positions: none, gain: gains() },
    ...{ shift: none, behind: pairs, inner: pairs, innerWhole: pairs },
  };
}

const NETWORK = wideTransformer(3);
const HEADS = { num_attention_heads: 8, num_key_value_heads: 4 };
const CONFIG = { ...HEADS, hidden_act: 'silu', rms_norm_eps: 1e-5, rope_theta: 10_000 };
const LLAMA = writeNetwork(root, 'llama', asLlama(NETWORK), CONFIG);
const METADATA = {
  'general.architecture': 'llama',
  'llama.attention.head_count': '8',
  'llama.attention.head_count_kv': '4',
  'llama.rope.freq_base': '10000',
};

function write(name: string, typeOf: (tensor: string) => PackedType | undefined): string {
  const path = join(root, `${name}.gguf`);
  writeFileSync(path, quantisedGguf(asGguf(NETWORK), METADATA, typeOf));
  return path;
}

/** All similarities of two networks, least first. */
async function similarities(one: string, other: string): Promise<number[]> {
  const { layers } = await similarityOfBlocks(one, other);
  return layers
    .flatMap(({ mlp, attention }) => [
      ...[mlp!.similarity!, attention!.ov!.similarity!],
      ...attention!.heads!.flatMap((head) => [head.qk!, head.ov!]),
    ])
    .sort((a, b) => a - b);
}

/** By how much the least similarity of a type differs from 1, about. */
const OFF: readonly (readonly [dtype: PackedType, off: number])[] = [
  ['Q8_0', 4.4e-5],
  ['Q6_K', 5.5e-4],
  ['Q4_K', 9.4e-3],
  ['Q4_0', 0.0114],
  ['MXFP4', 0.0203],
  ['Q2_K', 0.142],
];

describe('blocks of a network and of its quantised file', () => {
  test.each(OFF)('%s', async (dtype, off) => {
    const quantised = write(dtype, () => dtype);
    const found = await similarities(
      write('whole', () => undefined),
      quantised,
    );
    expect(1 - found[0]).toBeLessThan(1.2 * off);
    expect(1 - found[0]).toBeGreaterThan(off / 1.2);
  });

  test('in another layout, with queries and keys in another order, and types as files mix them', async () => {
    const mixed = write('mixed', (name) => (/attn_v|ffn_down|^output/.test(name) ? 'Q6_K' : 'Q4_K'));
    const found = await similarities(LLAMA, mixed);
    expect(found[0]).toBeGreaterThan(0.98);
    expect(
      await similarities(
        write('whole', () => undefined),
        mixed,
      ),
    ).toEqual(found.map((one) => expect.closeTo(one, 9)));
  });
});

describe('a quantised file', () => {
  const path = write('listed', (name) => (name.startsWith('blk.0') ? 'Q4_K' : undefined));
  const name = 'blk.0.ffn_down.weight';

  test('is listed as it is stored', async () => {
    await using checkpoint = await openCheckpoint(path);
    expect(checkpoint.tensors.get(name)).toMatchObject({ dtype: 'Q4_K', shape: [WIDTH, WIDTH], bytes: 144 * WIDTH });
  });

  test('has weights of float32 for those who read them, all of them or a part of rows', async () => {
    const [entry, whole, part, tensor] = await withCheckpoint(path, {}, async (checkpoint) => {
      const read = checkpoint.inTurn([name]);
      return [
        checkpoint.tensors.get(name)!,
        await read(name, undefined),
        await read(name, { from: 3 * WIDTH + 5, to: 7 * WIDTH - 9 }),
        await checkpoint.read(name),
      ] as const;
    });
    expect(entry).toMatchObject({ dtype: 'F32', shape: [WIDTH, WIDTH], bytes: 4 * WIDTH * WIDTH });
    expect(entry.quantised).toMatchObject({ format: 'Q4_K', block: [1, 256], inner: 32, offset: true, stored: [name] });
    expect(Buffer.compare(part, whole.subarray(4 * (3 * WIDTH + 5), 4 * (7 * WIDTH - 9)))).toBe(0);
    expect(Buffer.compare(whole, new Uint8Array(tensor.data.buffer))).toBe(0);
    const { down } = NETWORK.layers[0];
    const error = down.reduce((sum, value, i) => sum + (value - tensor.data[i]) ** 2, 0);
    const squares = down.reduce((sum, value) => sum + value ** 2, 0);
    expect(Math.sqrt(error / squares)).toBeLessThan(0.1);
    expect(error).toBeGreaterThan(0);
  });

  test('of a type that is not decoded is refused by its name', async () => {
    const tensors = Object.entries(asGguf(NETWORK)).map(([own, [data, ...shape]]) => {
      const extents = [...shape].reverse();
      if (own !== name) return ggufFloats(own, extents, [...data]);
      return { name: own, extents, type: 16, data: new Uint8Array(66 * WIDTH) };
    });
    const odd = join(root, 'odd.gguf');
    writeFileSync(odd, gguf({ metadata: ggufMetadata(METADATA), tensors }));
    const error = await rejection(similarityOfBlocks(odd, odd));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_DTYPE' });
    expect(error.message).toContain('IQ2_XXS');
  });
});
