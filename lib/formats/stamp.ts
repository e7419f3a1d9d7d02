import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** What the system says of a file, which is another after it was written to or replaced. */
export interface Stamp {
  /** Device, inode, size, and the times of the last change to the content and to the inode. */
  readonly text: string;
  /** Whether those times are old enough for the next write to move them. */
  readonly settled: boolean;
}

/** Times of files may be as coarse as two seconds: a second write within the same moment leaves them as they are. */
const COARSEST_MS = 2000;

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats, now = Date.now()): Stamp {
  const newest = Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n);
  return { text: [dev, ino, size, mtimeNs, ctimeNs].join(' '), settled: now - newest > COARSEST_MS };
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
