import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A tensor as it lies in a file. */
export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file of tensors of any types, in this order, whether they fit their shapes or not. */
export function rawSafetensors(
  tensors: Readonly<Record<string, RawTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  let at = 0;
  const listed = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const from = at;
    at += bytes.length;
    return [name, { dtype, shape, data_offsets: [from, at] }];
  });
  const header = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(listed) });
  const padded = Buffer.from(header.padEnd(Math.ceil(Buffer.byteLength(header) / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(padded.length);
  return Buffer.concat([length, padded, ...Object.values(tensors).map(({ bytes }) => bytes)]);
}

/** A folder with such a file and what is said beside it. */
export function writeRaw(
  folder: string,
  tensors: Readonly<Record<string, RawTensor>>,
  config: Readonly<Record<string, unknown>> = {},
  metadata?: Readonly<Record<string, string>>,
): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.safetensors'), rawSafetensors(tensors, metadata));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return join(folder, 'model.safetensors');
}
