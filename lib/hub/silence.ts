import { whyUnanswered } from './complaints.js';
import { endpoint } from './settings.js';

/** A silence that took this long is not asked for again at once. */
const LONG_MS = 2000;
const REMEMBERED_MS = 60_000;

/** By server: what went wrong, and until when it is taken to be so still. */
const SILENT = new Map<string, { readonly problem: string; readonly until: number }>();

/**
 * Asks something that the cache could answer as well. Where the Hub kept somebody waiting in vain a moment ago it is
 * not asked: a command with many addresses would wait for each of them.
 * @returns the answer, or why there is none
 * @throws what is wrong with an answer that there is
 */
export async function askUnlessSilent<Answer>(
  question: () => Promise<Answer>,
): Promise<{ readonly answer: Answer } | { readonly problem: string }> {
  const server = endpoint();
  const known = SILENT.get(server);
  const start = performance.now();
  if (known !== undefined && start < known.until) return { problem: known.problem };
  try {
    const answer = await question();
    SILENT.delete(server);
    return { answer };
  } catch (error) {
    const problem = whyUnanswered(error);
    if (problem === undefined) throw error;
    const now = performance.now();
    if (now - start > LONG_MS) SILENT.set(server, { problem, until: now + REMEMBERED_MS });
    return { problem };
  }
}
