import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';

/** Sizes of a Llama. */
export interface LlamaShape {
  readonly width: number;
  readonly units: number;
  readonly layers: number;
  readonly heads: number;
  readonly groups: number;
  readonly tokens: number;
  readonly shards: number;
}

export const SHAPES: Readonly<Record<string, LlamaShape>> = {
  small: { width: 512, units: 1408, layers: 2, heads: 8, groups: 2, tokens: 8000, shards: 2 },
  middle: { width: 768, units: 2048, layers: 2, heads: 12, groups: 12, tokens: 32_000, shards: 1 },
  '1B': { width: 2048, units: 5632, layers: 22, heads: 32, groups: 4, tokens: 32_000, shards: 2 },
  '7B': { width: 4096, units: 11_008, layers: 32, heads: 32, groups: 32, tokens: 32_000, shards: 3 },
};

type Named = readonly [name: string, shape: readonly number[]];

/** Its tensors in the order in which the files have them, which is that of their names. */
export function tensorsOf({ width, units, layers, heads, groups, tokens }: LlamaShape): Named[] {
  const keys = (width / heads) * groups;
  const named: Named[] = [
    ['lm_head.weight', [tokens, width]],
    ['model.embed_tokens.weight', [tokens, width]],
    ['model.norm.weight', [width]],
  ];
  for (let layer = 0; layer < layers; layer++) {
    const own: Named[] = [
      ['input_layernorm.weight', [width]],
      ['post_attention_layernorm.weight', [width]],
      ['mlp.gate_proj.weight', [units, width]],
      ['mlp.up_proj.weight', [units, width]],
      ['mlp.down_proj.weight', [width, units]],
      ['self_attn.q_proj.weight', [width, width]],
      ['self_attn.k_proj.weight', [keys, width]],
      ['self_attn.v_proj.weight', [keys, width]],
      ['self_attn.o_proj.weight', [width, width]],
    ];
    for (const [name, shape] of own) named.push([`model.layers.${layer}.${name}`, shape]);
  }
  return named.sort(([a], [b]) => (a < b ? -1 : 1));
}

const sizeOf = (shape: readonly number[]) => shape.reduce((size, extent) => size * extent, 1);

/** Bytes of all weights as they are stored, and of the MLP of a layer. */
export function bytesOf(shape: LlamaShape): { readonly all: number; readonly block: number } {
  const all = tensorsOf(shape).reduce((sum, [, extents]) => sum + 2 * sizeOf(extents), 0);
  return { all, block: 2 * 3 * shape.width * shape.units };
}

/** config.json of it. */
export const configOf = ({ width, units, layers, heads, groups, tokens }: LlamaShape) => ({
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: width,
  intermediate_size: units,
  num_attention_heads: heads,
  num_key_value_heads: groups,
  num_hidden_layers: layers,
  vocab_size: tokens,
  rope_theta: 10_000,
});

/** The header of a safetensors file of tensors in bfloat16. */
export function headerOf(tensors: readonly Named[]): Buffer {
  let offset = 0;
  const listing: Record<string, object> = {};
  for (const [name, shape] of tensors) {
    const bytes = 2 * sizeOf(shape);
    listing[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = Buffer.from(JSON.stringify(listing));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

/**
 * Writes a checkpoint with its index and its config.json, a piece at a time.
 * @param noise of a perturbed copy, relative to the weights; 0 for the network itself
 */
export async function writeLlama(folder: string, shape: LlamaShape, noise: number): Promise<void> {
  const tensors = tensorsOf(shape);
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shape.shards; shard++) {
    const own = tensors.filter((_, i) => Math.floor((i * shape.shards) / tensors.length) === shard);
    const file = `model-${String(shard + 1).padStart(5, '0')}-of-${String(shape.shards).padStart(5, '0')}.safetensors`;
    for (const [name] of own) map[name] = file;
    const stream = createWriteStream(join(folder, file));
    const write = (bytes: Uint8Array) =>
      new Promise<void>((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())));
    await write(headerOf(own));
    for (const [name, extents] of own) for (const piece of weights(name, extents, noise)) await write(piece);
    stream.end();
    await finished(stream);
  }
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
  await writeFile(join(folder, 'config.json'), JSON.stringify(configOf(shape)));
}

const PIECE = 1 << 20;

/** Normal numbers, of which weights are drawn: a billion of their own would take longer than all the rest. */
const NORMALS = Float32Array.from({ length: 1 << 16 }, (_, i) => {
  // Pairs by Box and Muller, of radii and angles that are spread evenly.
  const [radius, angle] = [((i >>> 8) + 0.5) / 256, ((i & 255) + 0.5) / 256];
  return Math.sqrt(-2 * Math.log(radius)) * Math.cos(2 * Math.PI * angle);
});

/** Bytes of a tensor: of matrices with the spread of a network at its beginning, of gains near 1. */
function* weights(name: string, shape: readonly number[], noise: number): Generator<Uint8Array> {
  const size = sizeOf(shape);
  const isGain = shape.length === 1;
  const [spread, mean] = isGain ? [0.1, 1] : [1 / Math.sqrt(shape[1]), 0];
  const floats = new Float32Array(PIECE);
  const bits = new Uint32Array(floats.buffer);
  let state = seedOf(name);
  for (let from = 0; from < size; from += PIECE) {
    const count = Math.min(PIECE, size - from);
    for (let i = 0; i < count; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      floats[i] = mean + spread * (NORMALS[state & 0xffff] + noise * NORMALS[state >>> 16]);
    }
    const halves = new Uint16Array(count);
    for (let i = 0; i < count; i++) halves[i] = (bits[i] + 0x8000) >>> 16;
    yield new Uint8Array(halves.buffer);
  }
}

function seedOf(text: string): number {
  let seed = 2166136261;
  for (const character of text) seed = Math.imul(seed ^ character.charCodeAt(0), 16777619);
  return seed >>> 0 || 1;
}
