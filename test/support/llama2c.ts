/** Settings of a small network: d 8, hidden 12, 2 layers, 2 heads, 1 of keys and values, 5 tokens, 3 positions. */
export const LLAMA2C_SETTINGS = [8, 12, 2, 2, 1, 5, 3];

/** What the tensors of that network have, in elements. */
export const LLAMA2C_SIZES = {
  embedding: 5 * 8,
  layer: 2 * 8 + 2 * 64 + 2 * 32 + 3 * 96,
  norm: 8,
  tables: 2 * 3 * 2,
};

interface Llama2c {
  readonly version: number;
  readonly shared?: boolean;
  /** Instead of as many as there should be. */
  readonly floats?: number;
}

/** A file that llama2.c runs, of which element i is the number i. */
export function llama2c({ version, shared = true, floats }: Llama2c): Buffer {
  const { embedding, layer, norm, tables } = LLAMA2C_SIZES;
  const all = embedding + 2 * layer + norm + (version === 0 ? tables : 0) + (shared ? 0 : embedding);
  const settings = LLAMA2C_SETTINGS.map((value, i) => (i === 5 && version === 0 && !shared ? -value : value));
  const plain = Buffer.from(Int32Array.from(settings).buffer);
  const header = version === 0 ? plain : Buffer.alloc(256);
  if (version > 0) {
    header.writeUInt32LE(0x616b3432, 0);
    header.writeInt32LE(version, 4);
    plain.copy(header, 8);
    header[36] = shared ? 1 : 0;
  }
  return Buffer.concat([header, Buffer.from(Float32Array.from({ length: floats ?? all }, (_, i) => i).buffer)]);
}
