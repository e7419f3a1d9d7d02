import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { TensimError } from '../../../lib/errors.js';
import { type Checkpoint, openCheckpoint } from '../../../lib/formats/checkpoint.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';

/** A folder that is removed when the tests of the file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tensim-formats-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file with this header, as text or bytes, and this data, or so many bytes of it. */
export function rawFile(header: string | Uint8Array, data: Uint8Array | number = 0): Buffer {
  const json = Buffer.from(header as string);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

/** The error that a promise rejects with, which must be a TensimError. */
export async function rejection(promise: Promise<unknown>): Promise<TensimError> {
  const error: unknown = await promise.then(
    () => new Error('the promise was fulfilled'),
    (reason) => reason,
  );
  if (!(error instanceof TensimError)) throw error;
  return error;
}

/** Opens and reads every tensor that can be read. */
export async function readAll(path: string): Promise<Map<string, Tensor>> {
  return withCheckpoint(path, async (checkpoint) => {
    const tensors = new Map<string, Tensor>();
    for (const { name, dtype } of checkpoint.tensors.values())
      if (/^B?F(64|32|16)$/.test(dtype)) tensors.set(name, await checkpoint.read(name));
    return tensors;
  });
}

export async function withCheckpoint<T>(path: string, use: (checkpoint: Checkpoint) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/** Writes bytes under a name in a folder and gives the path. */
export function fileIn(folder: string, name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
