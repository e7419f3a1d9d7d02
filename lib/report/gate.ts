import type { GateCheck, GateResult, GateSubject } from '../similarity/gate/gate.js';
import type { ResultInfo } from '../similarity/terms/types.js';
import { similarityText } from '../words/numbers.js';
import { oneLine } from '../words/quoting.js';
import { compareJson } from './json.js';
import { jsonPieces } from './json_pieces.js';
import {
  cell,
  type End,
  errorJson,
  githubText,
  type JudgementOptions,
  type JunitCases,
  junitText,
  MARK,
  outcomeOf,
  type ReportFormat,
} from './judgement.js';
import { provenance, sliceName, sliceNoun } from './provenance.js';
import { toleranceSentences } from './reliability.js';
import { SCHEMAS } from './schemas.js';
import { bold, columns, footnote, type TextOptions } from './text.js';

/** The two sides of a gate as reports name them. */
export interface GateSubjects {
  readonly candidate: GateSubject;
  readonly reference: GateSubject;
}

/** What became of a gate. */
export type GateEnd = End<GateResult>;

/** Checks listed in text and markdown, at most; those that do not pass come first. */
const MOST_CHECKS = 40;
const PART = { pass: 'pass', fail: 'FAIL', undecided: 'UNDECIDED' } as const;

/** The report of a gate in pieces. */
export function* gateReport(
  format: ReportFormat,
  subjects: GateSubjects,
  end: GateEnd,
  options?: JudgementOptions,
): Generator<string> {
  switch (format) {
    case 'text':
      return yield gateText(subjects, end, options);
    case 'json':
      yield* jsonPieces(gateJson(subjects, end));
      return yield '\n';
    case 'junit':
      return yield junitText('gate', titleOf(subjects), casesOf(end));
    case 'markdown':
      return yield gateMarkdown(subjects, end);
    case 'github':
      return yield githubText('gate', titleOf(subjects), casesOf(end), options);
  }
}

/**
 * Plain data, the contract `tensim.gate/1`. `outcome` is `pass`, `fail`, `undecided` or `error`; `comparison` is a
 * `tensim.compare/1`.
 */
export function gateJson({ candidate, reference }: GateSubjects, end: GateEnd): Record<string, unknown> {
  const head = { schema: SCHEMAS.gate, outcome: outcomeOf(end), candidate, reference };
  if ('error' in end) return { ...head, error: errorJson(end.error) };
  const { limits, worst, checks, comparison } = end.result;
  return { ...head, limits, worst, checks, comparison: compareJson(comparison) };
}

function gateText(subjects: GateSubjects, end: GateEnd, { colour = false }: TextOptions = {}): string {
  // Errors go to stderr, as those of all commands do.
  if ('error' in end) return '';
  const title = bold(`${end.result.outcome.toUpperCase()}: ${titleOf(subjects)}`, colour);
  const { checks, comparison } = end.result;
  const { shown, left } = listed(checks);
  const rows = shown.map((check) => [
    checkName(check, comparison),
    valueText(check),
    limitText(check),
    PART[check.outcome],
  ]);
  const table = columns([['', 'similarity', 'at least', ''], ...rows], 'lrrl');
  const notes = [...toleranceSentences(comparison), footnote(comparison)].join('\n');
  return `${title}\n\n${table}${left === 0 ? '' : `\n${left} more pass`}\n\n${notes}\n`;
}

/** For the summary of a CI step. */
function gateMarkdown(subjects: GateSubjects, end: GateEnd): string {
  const outcome = outcomeOf(end);
  const title = `### ${MARK[outcome]} tensim gate: ${outcome}\n\n${cell(titleOf(subjects))}\n`;
  if ('error' in end) return `${title}\n${cell(end.error.message)}\n`;
  const { checks, comparison } = end.result;
  const { shown, left } = listed(checks);
  const rows = shown.map(
    (check) =>
      `| ${MARK[check.outcome]} ${check.outcome} | ${cell(checkName(check, comparison))} | ${valueText(check)} | ${limitText(check)} |`,
  );
  const how = provenance(comparison).map(([name, value]) => `${name} ${value}`);
  return `${title}
| | | similarity | at least |
|---|---|--:|--:|
${rows.join('\n')}
${left === 0 ? '' : `\n${left} more pass.\n`}
${[...toleranceSentences(comparison), how.join(' · ')].map(cell).join('\n\n')}
`;
}

/** A test case per check. */
function casesOf(end: GateEnd): JunitCases {
  if ('error' in end) return { error: end.error, name: 'comparison' };
  const { checks, comparison } = end.result;
  return checks.map((check) => {
    const name = `${checkName(check, comparison)}, at least ${limitText(check)}`;
    if (check.outcome === 'pass') return { name };
    return { name, failure: { type: check.outcome, message: `similarity ${valueText(check)}` } };
  });
}

function titleOf({ candidate, reference }: GateSubjects): string {
  return `${oneLine(candidate.label)} against ${oneLine(reference.label)}`;
}

/** "all outputs", "output 9", and what they are held against where that is the baseline. */
function checkName({ kind, output }: GateCheck, comparison: ResultInfo): string {
  const name = output === null ? `all ${sliceNoun(comparison)}s` : sliceName(comparison, output);
  return kind === 'drop' ? `${name}, from the baseline` : name;
}

function valueText({ similarity, interval }: GateCheck): string {
  if (similarity === null) return 'undefined';
  if (interval === null) return similarityText(similarity, 6);
  return `${similarityText(similarity)} (95 %: ${interval.map((end) => end.toFixed(4)).join(' to ')})`;
}

function limitText({ limit }: GateCheck): string {
  return limit === null ? 'undefined' : `${Number(limit.toFixed(6))}`;
}

/** The checks that are shown, in their order; those that pass are left out first. */
function listed(checks: readonly GateCheck[]): { shown: readonly GateCheck[]; left: number } {
  if (checks.length <= MOST_CHECKS) return { shown: checks, left: 0 };
  const shown = checks.filter(({ outcome, output }) => outcome !== 'pass' || output === null);
  return { shown, left: checks.length - shown.length };
}
