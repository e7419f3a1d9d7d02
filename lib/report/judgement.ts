import type { TensimError } from '../errors.js';
import { count, plural } from '../words/counts.js';
import { escapeMarkup } from '../words/markup.js';
import { oneLine } from '../words/quoting.js';
import type { TextOptions } from './text.js';

/* What reports of commands that judge have in common: those of `tensim gate` and of `tensim verify`. */

/** The formats that they are printed in. */
export const REPORT_FORMATS = ['text', 'json', 'junit', 'markdown', 'github'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** What became of it: judged, or stopped by an error, which is no pass either. */
export type End<Result> = { readonly result: Result } | { readonly error: TensimError };

type Outcome = 'pass' | 'fail' | 'undecided' | 'error';

export const MARK: Readonly<Record<Outcome, string>> = { pass: '✅', fail: '❌', undecided: '⚠️', error: '❌' };

export function outcomeOf(end: End<{ readonly outcome: Exclude<Outcome, 'error'> }>): Outcome {
  return 'error' in end ? 'error' : end.result.outcome;
}

/** How reports of a verdict are told. */
export interface JudgementOptions extends TextOptions {
  /** It is told and changes nothing: what does not pass is a warning. Default false. */
  readonly shadow?: boolean | undefined;
}

/** An error as plain data. */
export const errorJson = ({ code, message }: TensimError) => ({ code, message });

/** A test case of a JUnit report: it passes unless it has a failure, or was skipped. */
export interface JunitCase {
  readonly name: string;
  readonly failure?: { readonly type: string; readonly message: string };
  readonly skipped?: string;
}

/** The cases of a suite, or the error that is the only one. */
export type JunitCases = { readonly error: TensimError; readonly name: string } | readonly JunitCase[];

/** Annotations that GitHub shows of a step; one of them says how many there are beyond. */
const MOST_ANNOTATIONS = 10;

/**
 * What does not pass as annotations of a GitHub workflow, which are lines of the step's log. What passes is one notice.
 */
export function githubText(
  command: 'gate' | 'verify',
  suite: string,
  cases: JunitCases,
  { shadow = false }: JudgementOptions = {},
): string {
  const level = shadow ? 'warning' : 'error';
  const line = (kind: string, text: string) =>
    `::${kind} title=${escapeProperty(`tensim ${command}: ${suite}`)}::${escapeData(text)}\n`;
  if ('error' in cases) return line(level, cases.error.message);
  const failures = cases.flatMap(({ name, failure }) => (failure === undefined ? [] : [{ name, ...failure }]));
  if (failures.length === 0) return line('notice', `pass, ${count(cases.length)} ${plural(cases.length, 'check')}`);
  const shown = failures.length > MOST_ANNOTATIONS ? failures.slice(0, MOST_ANNOTATIONS - 1) : failures;
  const lines = shown.map(({ name, type, message }) => line(level, `${name}: ${type}, ${message}`));
  const left = failures.length - shown.length;
  return [...lines, ...(left > 0 ? [line(level, `${count(left)} more do not pass`)] : [])].join('');
}

/** Text of a workflow command: a line break in it would be the end of it. */
const escapeData = (text: string): string =>
  oneLine(text).replace(/[%\r\n]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
const escapeProperty = (text: string): string => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/**
 * A JUnit report of one suite. What is undecided counts as a failure: most readers of these files take anything else
 * for a pass. An error is the only case of its suite.
 */
export function junitText(command: 'gate' | 'verify', suite: string, cases: JunitCases): string {
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
