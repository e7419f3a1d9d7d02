import type { Target } from './target.js';

/**
 * The smallest input found that `keeps` what is looked for: pieces are left out, larger ones first, of the structure
 * where the target knows it and of the bytes.
 * @param most how often it may ask, and `milliseconds` for how long it may begin to
 */
export async function minimised(
  target: Target,
  input: Uint8Array,
  keeps: (candidate: Uint8Array) => Promise<boolean>,
  most = 600,
  milliseconds = 10_000,
): Promise<Uint8Array> {
  const end = performance.now() + milliseconds;
  let best = input;
  let asked = 0;
  for (let smaller = true; smaller && asked < most; ) {
    smaller = false;
    for (const candidate of candidatesOf(target, best)) {
      if (candidate.length >= best.length) continue;
      if (++asked > most || performance.now() > end) return best;
      if (!(await keeps(candidate))) continue;
      best = candidate;
      smaller = true;
      break;
    }
  }
  return best;
}

function* candidatesOf(target: Target, bytes: Uint8Array): Generator<Uint8Array> {
  yield* target.simplify?.(bytes) ?? [];
  for (let length = bytes.length >> 1; length >= 1; length >>= 1)
    for (let at = 0; at < bytes.length; at += length)
      yield Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
}
