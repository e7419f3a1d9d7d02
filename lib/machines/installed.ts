import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { warn } from '../words/warning.js';
import { packageRoot } from './locate.js';

/** What scripts/install.mjs keeps where it could not provide the addon. */
interface InstallNote {
  /** Why there is none. */
  readonly reason: string;
  /** The command that builds it. */
  readonly remedy: string;
  /** Whether it was to be built: TENSIM_SKIP_BUILD was not set. */
  readonly wanted: boolean;
}

/**
 * Why there is no addon, as the installation found out, and what would help; `otherwise` where it left no word.
 * Whoever did not see it then, for npm shows nothing of what install scripts print, is told at the first use.
 */
export function whyNotInstalled(otherwise: string): string {
  const note = readNote();
  if (note === undefined) return otherwise;
  const told = `the native addon was not built when tensim was installed: ${note.reason}. To build it: ${note.remedy}`;
  if (note.wanted && !process.env.TENSIM_QUIET)
    warn(
      `${told}. Until then the TypeScript fallback computes: same results, more slowly. TENSIM_QUIET=1 silences this`,
    );
  return told;
}

function readNote(): InstallNote | undefined {
  try {
    const note: Partial<InstallNote> = JSON.parse(readFileSync(join(packageRoot(), 'build', 'install.json'), 'utf8'));
    const { reason, remedy, wanted } = note;
    return typeof reason === 'string' && typeof remedy === 'string'
      ? { reason, remedy, wanted: wanted === true }
      : undefined;
  } catch {
    return undefined; // It left none.
  }
}
