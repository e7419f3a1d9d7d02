import { findingOf, type TensimError } from '../errors.js';
import { shortenLabels, stepName } from '../report/labels.js';
import type { LiveNote } from '../report/live_events.js';
import { count, plural } from '../words/counts.js';
import { ratioText, similarityText } from '../words/numbers.js';
import { oneLine } from '../words/quoting.js';
import type { Look } from './folder.js';
import type { WatchedOnset } from './terms.js';

/** Files that are named; of others there are so many. */
const MOST_NAMED = 8;

/** What a live page says beside the report of a folder. */
export function notesOn(
  { files }: Look,
  failure: TensimError | undefined,
  onset: WatchedOnset | undefined,
): LiveNote[] {
  const notes: LiveNote[] = [];
  if (onset !== undefined) notes.push({ tone: 'good', text: onsetText(onset) });
  if (failure !== undefined) notes.push({ tone: 'bad', text: `not compared: ${oneLine(findingOf(failure))}` });
  const writing = files.filter(({ verdict }) => verdict.state === 'written').length;
  if (writing > 0)
    notes.push({ tone: 'plain', text: `${count(writing)} ${plural(writing, 'file is', 'files are')} being written` });
  const others = files.flatMap(({ path, verdict }) => ('why' in verdict ? [{ path, ...verdict }] : []));
  for (const { path, state, why } of others.slice(0, MOST_NAMED))
    notes.push({ tone: state === 'no model' ? 'plain' : 'bad', text: fileText(path, state, why) });
  if (others.length > MOST_NAMED)
    notes.push({ tone: 'plain', text: `and ${count(others.length - MOST_NAMED)} more files that take no part` });
  return notes;
}

const STATES = { incomplete: 'not whole', 'no model': 'passed over', refused: 'not compared' } as const;

/** A file that takes no part, and why. */
export function fileText(path: string, state: keyof typeof STATES, why: string): string {
  return `${STATES[state]}: ${oneLine(path)} (${oneLine(why)})`;
}

export function onsetText({ onset, from, to }: WatchedOnset): string {
  const step = stepName(shortenLabels([from, to]), 0, 1);
  return `onset at ${step}: similarity ${similarityText(onset.similarity)}, ${ratioText(onset.rise)} times the quietest stretch before it`;
}
