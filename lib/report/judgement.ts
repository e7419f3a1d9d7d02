import type { TensimError } from '../errors.js';
import { escapeMarkup } from '../words/markup.js';

/* What reports of commands that judge have in common: those of `tensim gate` and of `tensim verify`. */

/** The formats that they are printed in. */
export const REPORT_FORMATS = ['text', 'json', 'junit', 'markdown'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** What became of it: judged, or stopped by an error, which is no pass either. */
export type End<Result> = { readonly result: Result } | { readonly error: TensimError };

type Outcome = 'pass' | 'fail' | 'undecided' | 'error';

export const MARK: Readonly<Record<Outcome, string>> = { pass: '✅', fail: '❌', undecided: '⚠️', error: '❌' };

export function outcomeOf(end: End<{ readonly outcome: Exclude<Outcome, 'error'> }>): Outcome {
  return 'error' in end ? 'error' : end.result.outcome;
}

/** An error as plain data. */
export const errorJson = ({ code, message }: TensimError) => ({ code, message });

/** A test case of a JUnit report: it passes unless it has a failure, or was skipped. */
export interface JunitCase {
  readonly name: string;
  readonly failure?: { readonly type: string; readonly message: string };
  readonly skipped?: string;
}

/**
 * A JUnit report of one suite. What is undecided counts as a failure: most readers of these files take anything else
 * for a pass. An error is the only case of its suite.
 */
export function junitText(
  command: 'gate' | 'verify',
  suite: string,
  cases: { readonly error: TensimError; readonly name: string } | readonly JunitCase[],
): string {
  const open = (name: string) => `<testcase classname="tensim.${command}" name="${escapeMarkup(name)}"`;
  const wrap = (counts: string, lines: readonly string[]) => `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="tensim ${command}" ${counts}>
<testsuite name="${escapeMarkup(suite)}" ${counts}>
${lines.join('\n')}
</testsuite>
</testsuites>
`;
  if ('error' in cases) {
    const { code, message } = cases.error;
    return wrap(`tests="1" failures="0" errors="1"`, [
      `${open(cases.name)}><error type="${code}" message="${escapeMarkup(message)}"/></testcase>`,
    ]);
  }
  const lines = cases.map(({ name, failure, skipped }) => {
    if (failure !== undefined)
      return `${open(name)}><failure type="${failure.type}" message="${escapeMarkup(failure.message)}"/></testcase>`;
    if (skipped !== undefined) return `${open(name)}><skipped message="${escapeMarkup(skipped)}"/></testcase>`;
    return `${open(name)}/>`;
  });
  const failures = cases.filter(({ failure }) => failure !== undefined).length;
  const skipped = cases.filter(({ skipped }) => skipped !== undefined).length;
  const counts = `tests="${cases.length}" failures="${failures}" errors="0"`;
  return wrap(skipped === 0 ? counts : `${counts} skipped="${skipped}"`, lines);
}

/** Text that markdown leaves alone, on one line; addresses and names in it are no links. */
export function cell(text: string): string {
  return escapeMarkup(text)
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]|~@]|:(?=\/\/)|(?<=www)\./gi, '\\$&');
}
