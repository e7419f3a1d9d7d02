/** What a process is to do over and over. */
export interface Task {
  readonly scenario: string;
  readonly backend: 'native' | 'fallback';
  readonly rounds: number;
  readonly folder: string;
}

/** What it holds when all that can be collected is. Bytes, and numbers of things. */
export interface Held {
  readonly heap: number;
  readonly external: number;
  readonly rss: number;
  readonly files: number;
  readonly handles: number;
  readonly listeners: number;
}

/** What may come and go between two looks: caches that fill, code that is compiled anew, pages of the allocator. */
const SLACK: Held = {
  ...{ heap: 2 * 2 ** 20, external: 2 * 2 ** 20, rss: 48 * 2 ** 20 },
  ...{ files: 0, handles: 0, listeners: 0 },
};

/**
 * What has grown, in words. The first look is left out: it is that of a process that has just begun. Something leaks if
 * it never becomes less from look to look, and has become more than may come and go.
 */
export function leaks(looks: readonly Held[]): string[] {
  const later = looks.slice(1);
  return (Object.keys(SLACK) as (keyof Held)[]).flatMap((what) => {
    const values = later.map((look) => look[what]);
    const grows = values.every((value, i) => i === 0 || value >= values[i - 1]);
    const growth = values.at(-1)! - values[0];
    return grows && growth > SLACK[what] ? [`${what}: ${values.join(', ')}`] : [];
  });
}
