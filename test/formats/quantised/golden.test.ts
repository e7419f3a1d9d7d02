import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StampedCheckpoint } from '../../../lib/formats/checkpoint.js';
import { withCheckpoint } from '../../../lib/model/reading/model_file.js';
import { sizeOf } from '../../../lib/tensor/tensor.js';
import { random } from '../../support/random.js';
import { type RawTensor, writeRaw } from '../../support/stored_tensors.js';

const GOLDEN = 'test/golden/quantised';
const folder = mkdtempSync(join(tmpdir(), 'tensim-quantised-'));

interface Case {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tensors: Readonly<Record<string, { dtype: string; shape: number[]; bytes: string }>>;
  /** What the program that writes the format decodes them to, in float32. */
  readonly decoded: Readonly<Record<string, { shape: number[]; bytes: string }>>;
}

interface Golden {
  /** Whose code made the numbers. */
  readonly by: string;
  readonly cases: readonly Case[];
}

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

/** Numbers as they are, the sign of zero too; but one NaN is as good as another. */
const hex = (bytes: Uint8Array) =>
  Array.from(new Uint32Array(Uint8Array.from(bytes).buffer), (bits) =>
    (bits & 0x7fffffff) > 0x7f800000 ? 'NaN' : bits.toString(16),
  );

function checkpointOf<Result>(one: Case, at: string, use: (checkpoint: StampedCheckpoint) => Promise<Result>) {
  const tensors: Record<string, RawTensor> = Object.fromEntries(
    Object.entries(one.tensors).map(([name, tensor]) => [name, { ...tensor, bytes: bytesOf(tensor.bytes) }]),
  );
  return withCheckpoint(writeRaw(join(folder, at), tensors, one.config, one.metadata), {}, use);
}

describe.each(readdirSync(GOLDEN))('%s', (file) => {
  const { cases }: Golden = JSON.parse(readFileSync(join(GOLDEN, file), 'utf8'));
  test.each(cases.map((one, i) => [one.name, one, `${file}-${i}`] as const))('%s', async (_, one, at) => {
    await checkpointOf(one, at, async (checkpoint) => {
      expect(checkpoint.spoilt).toBeUndefined();
      for (const [name, { shape, bytes }] of Object.entries(one.decoded)) {
        const expected = bytesOf(bytes);
        const entry = checkpoint.tensors.get(name)!;
        expect(entry).toMatchObject({ name, dtype: 'F32', shape, bytes: expected.length });
        expect(hex(await checkpoint.readBytes(name))).toEqual(hex(expected));
        const { data, shape: read } = await checkpoint.read(name);
        expect(read).toEqual(shape);
        expect(hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))).toEqual(hex(expected));
        const { uniform } = random(7);
        const stored = checkpoint.inTurn([name]);
        for (let i = 0; i < 20; i++) {
          const [from, to] = [uniform(), uniform()]
            .map((x) => Math.floor(x * (sizeOf(shape) + 1)))
            .sort((a, b) => a - b);
          expect(hex(await stored(name, { from, to }))).toEqual(hex(expected.subarray(4 * from, 4 * to)));
        }
      }
    });
  });

  test('parts are listed no more, all is read in order, and the digest is that of the file', async () => {
    const [one] = cases;
    await checkpointOf(one, `${file}-order`, async (checkpoint) => {
      const parts = Object.values(one.decoded).map((_, i) => Object.keys(one.decoded)[i]);
      const quantised = [...checkpoint.tensors.values()].filter((entry) => entry.quantised !== undefined);
      expect(quantised.map(({ name }) => name)).toEqual(parts);
      const stored = quantised.flatMap((entry) => entry.quantised!.stored);
      expect(stored.filter((name) => checkpoint.tensors.has(name) && !parts.includes(name))).toEqual([]);
      expect(stored.every((name) => one.tensors[name] !== undefined)).toBe(true);
      const read: string[] = [];
      for await (const [name, { data }] of checkpoint.readInOrder(checkpoint.tensors.keys())) {
        read.push(name);
        if (one.decoded[name] !== undefined)
          expect(hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))).toEqual(
            hex(bytesOf(one.decoded[name].bytes)),
          );
      }
      expect(read.sort()).toEqual([...checkpoint.tensors.keys()].sort());
      const digest = createHash('sha256').update(readFileSync(checkpoint.path)).digest('hex');
      expect(await checkpoint.sha256()).toBe(digest);
    });
  });
});
