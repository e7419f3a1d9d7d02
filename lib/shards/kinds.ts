import { open } from 'node:fs/promises';
import { TensimError } from '../errors.js';

/** What the parts in a state file are of. */
export type PartKind = 'matrix' | 'blocks';

/** How state files begin, by what they are of. */
const BEGINNINGS: readonly (readonly [PartKind, string])[] = [
  ['matrix', 'tensim.state/'],
  ['matrix', 'tensim.sampled/'],
  ['blocks', 'tensim.layers/'],
];
const WORDS: Readonly<Record<PartKind, string>> = { matrix: 'a matrix', blocks: 'blocks of transformers' };
const LONGEST = 16;

/**
 * What the parts in state files are of, as far as they tell; undefined where none does. Files that are not there, or are
 * something else, are left to whoever reads them.
 * @throws TensimError `INVALID_ARGUMENT` for parts of several kinds.
 */
export async function kindOfParts(paths: readonly string[]): Promise<PartKind | undefined> {
  let known: { readonly kind: PartKind; readonly path: string } | undefined;
  for (const path of paths) {
    const kind = await kindOf(path);
    if (kind === undefined) continue;
    known ??= { kind, path };
    if (kind === known.kind) continue;
    throw new TensimError(
      'INVALID_ARGUMENT',
      `it is a part of ${WORDS[kind]}, and ${known.path} of ${WORDS[known.kind]}`,
      {
        file: path,
        hint: 'Put together the parts of one kind at a time',
      },
    );
  }
  return known?.kind;
}

async function kindOf(path: string): Promise<PartKind | undefined> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST), 0, LONGEST, 0);
    const start = buffer.toString('latin1', 0, bytesRead);
    return BEGINNINGS.find(([, beginning]) => start.startsWith(beginning))?.[0];
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
