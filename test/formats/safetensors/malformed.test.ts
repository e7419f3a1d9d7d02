import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TensimError } from '../../../lib/errors.js';
import { DTYPE_NAMES } from '../../../lib/formats/safetensors/dtypes.js';
import { readAll, temporaryFolder } from './helpers.js';
import { malformedFile, SPOILS } from './malformed.js';

const folder = temporaryFolder();
const FILES = 3000;
const BITS: Record<string, number> = { F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8 };

/**
 * A second opinion: whether the bytes are a safetensors file as far as JSON.parse can tell, which knows nothing of
 * duplicate names and takes 1.0 and -0 for integers.
 */
function looksValid(bytes: Buffer): boolean {
  try {
    const length = Number(bytes.readBigUInt64LE());
    if (length > 1e8 || length > bytes.length - 8 || bytes[8] !== 0x7b) return false;
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length));
    if (/[^} ] *$/.test(text)) return false;
    const ranges: number[][] = [];
    const entries = text.replace(/"__metadata__"\s*:\s*\{[^}]*\}/g, '');
    const fields = entries.match(/"(dtype|shape|data_offsets)"\s*:/g)?.length ?? 0;
    for (const [name, value] of Object.entries(JSON.parse(text))) {
      if (name === '__metadata__') {
        if (value === null) continue;
        if (typeof value !== 'object' || Array.isArray(value)) return false;
        if (!Object.values(value).every((v) => typeof v === 'string')) return false;
        continue;
      }
      const { dtype, shape, data_offsets: range, ...rest } = value as Record<string, never> & { shape: number[] };
      if (Object.keys(rest).length > 0 || !DTYPE_NAMES.includes(dtype) || (range as number[]).length !== 2)
        return false;
      if (![...shape, ...(range as number[])].every((n) => Number.isSafeInteger(n) && n >= 0)) return false;
      const bits = BITS[dtype] ?? Number(/\d+/.exec(dtype)?.[0]);
      if (shape.reduce((a, b) => a * b, bits) !== 8 * (range[1] - range[0])) return false;
      ranges.push(range);
    }
    ranges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    if (fields !== 3 * ranges.length) return false;
    const end = bytes.length - 8 - length;
    return ranges.every(([begin], i) => begin === (ranges[i - 1]?.[1] ?? 0)) && (ranges.at(-1)?.[1] ?? 0) === end;
  } catch {
    return false;
  }
}

/** What is refused although JSON.parse sees nothing wrong with it. */
const STRICTER =
  /twice|__proto__|control characters|surrogate|found "-0"|found "\d+\.0*"|found "\d+[.\d]*[eE][-+]?\d+"|is longer than|more than 32|larger than any file/;

it(`${FILES} malformed files are refused with a code and a message that names the file, or are still valid and read`, async () => {
  const path = join(folder, 'malformed.safetensors');
  const wrong: string[] = [];
  const refused = new Set<string>();
  let valid = 0;
  for (let number = 0; number < FILES; number++) {
    const { fault, bytes } = malformedFile(number);
    writeFileSync(path, bytes);
    const before = process.memoryUsage.rss();
    const peakBefore = peakMemory();
    const error: unknown = await readAll(path).then(
      () => undefined,
      (reason) => reason,
    );
    // Only a new peak tells what this file claimed: its height above the memory before.
    const peak = peakMemory();
    if (peak > peakBefore && peak - before > bytes.length + 64 * 2 ** 20)
      wrong.push(`${number} (${fault}): ${peak - before} bytes claimed`);
    if (error === undefined) {
      valid++;
      if (!looksValid(bytes)) wrong.push(`${number} (${fault}): accepted`);
    } else if (!(error instanceof TensimError) || error.code !== 'INVALID_FILE' || error.file !== path || !error.hint) {
      wrong.push(`${number} (${fault}): ${error}`);
    } else {
      refused.add(fault);
      if (looksValid(bytes) && !STRICTER.test(error.message))
        wrong.push(`${number} (${fault}): refused, ${error.message}`);
      if (error.message.length > 2000)
        wrong.push(`${number} (${fault}): a message of ${error.message.length} characters`);
    }
  }
  expect(wrong).toEqual([]);
  expect([...refused].sort()).toEqual(Object.keys(SPOILS).sort());
  expect(FILES - valid).toBeGreaterThanOrEqual(2000);
  expect(valid).toBeGreaterThan(0);
});

function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
