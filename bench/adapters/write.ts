import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Sizes of adapters: of a square weight in each of some layers. */
export interface AdapterShape {
  readonly rank: number;
  readonly width: number;
  readonly layers: number;
  /** Element type of the factors. */
  readonly stored: 'BF16' | 'F32';
}

/** Bytes of the factors of one adapter. */
export const bytesOf = ({ rank, width, layers, stored }: AdapterShape): number =>
  2 * rank * width * layers * (stored === 'F32' ? 4 : 2);

const POOL_BYTES = 64 * 2 ** 20;

/** Random numbers as they are stored, of a few magnitudes, from which every adapter takes pieces at places of its own. */
function poolOf(stored: AdapterShape['stored']): Buffer {
  const pool = Buffer.alloc(POOL_BYTES);
  let state = 1;
  const draw = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
  if (stored === 'BF16') {
    for (let at = 0; at < POOL_BYTES; at += 2) {
      const bits = draw();
      pool.writeUInt16LE((bits & 0x807f) | ((118 + ((bits >>> 7) & 3)) << 7), at);
    }
  } else for (let at = 0; at < POOL_BYTES; at += 4) pool.writeFloatLE((draw() / 2 ** 24 - 0.5) / 16, at);
  return pool;
}

/** Writes so many adapters as PEFT does, a folder for each; gives the folders. */
export async function writeAdapters(folder: string, count: number, shape: AdapterShape): Promise<string[]> {
  const { rank, width, layers, stored } = shape;
  const size = (stored === 'F32' ? 4 : 2) * rank * width;
  const listing: Record<string, object> = {};
  // Sorted by name, as the library of safetensors writes them.
  const names = Array.from({ length: layers }, (_, layer) => `base_model.model.model.layers.${layer}.self_attn.q_proj`);
  let offset = 0;
  for (const name of names.sort())
    for (const [letter, extents] of [
      ['A', [rank, width]],
      ['B', [width, rank]],
    ] as const) {
      listing[`${name}.lora_${letter}.weight`] = {
        dtype: stored,
        shape: extents,
        data_offsets: [offset, offset + size],
      };
      offset += size;
    }
  const text = JSON.stringify(listing);
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const config = JSON.stringify({ peft_type: 'LORA', r: rank, lora_alpha: 2 * rank, fan_in_fan_out: false });
  const pool = poolOf(stored);
  const folders: string[] = [];
  for (let i = 0; i < count; i++) {
    const own = join(folder, `adapter_${i}`);
    await mkdir(own, { recursive: true });
    const pieces = Array.from({ length: 2 * layers }, (_, k) => {
      const from = (Math.imul(2 * layers * i + k + 1, 40_503) >>> 0) % (POOL_BYTES / 4);
      return pool.subarray(4 * from, 4 * from + size);
    });
    // What is over the end of the pool goes on at its start.
    const whole = pieces.map((piece) =>
      piece.length === size ? piece : Buffer.concat([piece, pool]).subarray(0, size),
    );
    await writeFile(join(own, 'adapter_model.safetensors'), Buffer.concat([length, header, ...whole]));
    await writeFile(join(own, 'adapter_config.json'), config);
    folders.push(own);
  }
  return folders;
}
