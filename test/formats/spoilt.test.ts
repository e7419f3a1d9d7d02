import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { sizeOf } from '../../lib/tensor/tensor.js';
import { campaignSeed, runs } from '../support/campaign.js';
import { temporaryFolder } from './safetensors/helpers.js';
import { SPOILS, spoiltFile } from './spoilt.js';

const folder = temporaryFolder();
const FILES = runs(3000);

/** Opens a file and reads all that it lists; gives the number of tensors read, or what was thrown at opening. */
async function readAll(path: string): Promise<number> {
  const checkpoint = await openCheckpoint(path);
  let read = 0;
  try {
    for (const { name, shape } of checkpoint.tensors.values()) {
      const outcome = await checkpoint.read(name).catch((error: unknown) => error);
      if (outcome instanceof TensimError && outcome.code === 'UNSUPPORTED_DTYPE') continue;
      if (outcome instanceof Error) throw outcome;
      expect((outcome as { data: ArrayLike<number> }).data).toHaveLength(sizeOf(shape));
      read++;
    }
    return read;
  } finally {
    await checkpoint.close();
  }
}

test(`${FILES} spoilt .pt, .npz and .npy files are refused by a message that names the file, or read, and nothing is executed`, async () => {
  const wrong: string[] = [];
  const refused = new Map<string, number>();
  const reading = new Map<string, number>();
  for (let number = 0; number < FILES; number++) {
    const { fault, ending, bytes } = spoiltFile(campaignSeed * FILES + number);
    const path = join(folder, `spoilt.${ending}`);
    writeFileSync(path, bytes);
    const [before, peakBefore] = [process.memoryUsage.rss(), peakMemory()];
    const outcome: unknown = await readAll(path).catch((error: unknown) => error);
    // Only a new peak tells what this file claimed: its height above the memory before.
    const peak = peakMemory();
    if (peak > peakBefore && peak - before > bytes.length + 64 * 2 ** 20)
      wrong.push(`${number} (${fault}): ${peak - before} bytes claimed`);
    if (typeof outcome === 'number') reading.set(fault, (reading.get(fault) ?? 0) + 1);
    else if (
      !(outcome instanceof TensimError) ||
      outcome.code !== 'INVALID_FILE' ||
      outcome.file !== path ||
      !outcome.hint
    )
      wrong.push(`${number} (${fault}): ${outcome}`);
    else {
      refused.set(fault, (refused.get(fault) ?? 0) + 1);
      if (outcome.message.length > 2000)
        wrong.push(`${number} (${fault}): a message of ${outcome.message.length} characters`);
    }
  }
  expect(wrong).toEqual([]);
  // Every fault is found in most of the files that have it; a flipped bit of a weight is no fault of the file.
  for (const fault of Object.keys(SPOILS)) expect([fault, refused.get(fault)]).toEqual([fault, expect.any(Number)]);
  expect([...refused.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(FILES / 2);
  expect(reading.size).toBeGreaterThan(0);
  expect(existsSync('executed')).toBe(false);
});

function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
