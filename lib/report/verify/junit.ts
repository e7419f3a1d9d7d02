import type { Fault } from '../../verify/terms.js';
import { githubText, type JudgementOptions, type JunitCase, type JunitCases, junitText } from '../judgement.js';
import { type SheetRow, sheetOf, titleOf, type Verification } from './sheet.js';
import { causeText, tensorsOf } from './words.js';

/** The case of what is no tensor's: the verdict on the whole. */
const VERDICT = 'verdict';

/**
 * A test case for the verdict, one for each tensor, the worst first, and one for each that only a fault names. What is
 * the matter with a setting stands in the verdict's.
 */
export function verifyJunit(asked: Verification): string {
  return junitText('verify', titleOf(asked), casesOf(asked));
}

/** The same as annotations of a GitHub workflow. */
export function verifyGithub(asked: Verification, options?: JudgementOptions): string {
  return githubText('verify', titleOf(asked), casesOf(asked), options);
}

function casesOf(asked: Verification): JunitCases {
  const end = sheetOf(asked);
  if ('error' in end) return { error: end.error, name: VERDICT };
  const { outcome, summary, rows, faults } = end.result;
  const messages = messagesOf(faults);
  const listed = new Set(rows.map(({ tensor }) => tensor));
  const settings = faults.filter((fault) => tensorsOf(fault).length === 0).map(({ text }) => text);
  const verdict: JunitCase =
    outcome === 'pass'
      ? { name: VERDICT }
      : { name: VERDICT, failure: { type: outcome, message: [summary, ...settings].join(' ') } };
  const unlisted = [...messages].filter(([tensor]) => !listed.has(tensor));
  return [
    verdict,
    ...rows.map((row) => caseOf(row, messages.get(row.tensor))),
    ...unlisted.map(([name, { type, message }]) => ({ name, failure: { type, message } })),
  ];
}

function caseOf({ tensor: name, outcome, state, kind }: SheetRow, told: Message | undefined): JunitCase {
  if (outcome === 'not-compared') return { name, skipped: state };
  if (outcome === 'pass') return { name };
  return { name, failure: told ?? { type: kind, message: state } };
}

interface Message {
  readonly type: string;
  readonly message: string;
}

/** What is said of every tensor that has faults. */
function messagesOf(faults: readonly Fault[]): ReadonlyMap<string, Message> {
  const messages = new Map<string, Message>();
  for (const fault of faults)
    for (const tensor of tensorsOf(fault)) {
      const before = messages.get(tensor);
      const own = `${causeText(fault.cause)}: ${fault.text}`;
      const message = before === undefined ? own : `${before.message} ${own}`;
      messages.set(tensor, { type: before?.type ?? fault.cause, message });
    }
  return messages;
}
