import { open } from 'node:fs/promises';
import { TensimError } from '../errors.js';

/** What the parts in a state file are of. */
export type PartKind = 'matrix' | 'blocks';

/** What state files keep, how they begin, and what they are parts of. */
const KINDS = [
  { keeps: 'pairs', beginning: 'tensim.state/', of: 'matrix' },
  { keeps: 'samples', beginning: 'tensim.sampled/', of: 'matrix' },
  { keeps: 'layers', beginning: 'tensim.layers/', of: 'blocks' },
] as const;
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
    const kind = (await kindOf(path))?.of;
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

/** What a state file tells by how it begins; undefined for what is none, or not there. */
export async function kindOf(path: string): Promise<(typeof KINDS)[number] | undefined> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST), 0, LONGEST, 0);
    const start = buffer.toString('latin1', 0, bytesRead);
    return KINDS.find(({ beginning }) => start.startsWith(beginning));
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
