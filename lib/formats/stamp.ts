import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** What the system says of a file, which is another after it was written to or replaced. */
export interface Stamp {
  /** Device, inode, size, and the times of the last change to the content and to the inode. */
  readonly text: string;
  /** Whether those times are old enough for the next write to move them. */
  readonly settled: boolean;
}

/**
 * A second write within the same tick leaves the times of a file as they are. Most systems move them on with the clock
 * of their kernel, every 1 to 16 ms; those whose times are all whole seconds may do so every two seconds.
 */
const TICK_MS = 100;
const COARSE_TICK_MS = 2000;
const SECOND_NS = 1_000_000_000n;

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats, now = Date.now()): Stamp {
  const newest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  const tick = newest % SECOND_NS === 0n ? COARSE_TICK_MS : TICK_MS;
  const settled = now - Number(newest / 1_000_000n) > tick;
  return { text: [dev, ino, size, mtimeNs, ctimeNs].join(' '), settled };
}

/** The stamps of several files as one. */
export function jointStamp(stamps: readonly Stamp[]): Stamp {
  return { text: stamps.map(({ text }) => text).join('\n'), settled: stamps.every(({ settled }) => settled) };
}

/** Whether what lies at these paths still has the stamp that it had. */
export async function isAsStamped(paths: readonly string[], { text }: Stamp): Promise<boolean> {
  try {
    const stats = await Promise.all(paths.map((path) => stat(path, { bigint: true })));
    return jointStamp(stats.map((one) => stampOf(one))).text === text;
  } catch {
    return false;
  }
}
