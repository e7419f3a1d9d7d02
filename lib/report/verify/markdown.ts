import { cell, MARK, outcomeOf } from '../judgement.js';
import { listedRows, type Sheet, type SheetRow, sheetOf, titleOf, type Verification } from './sheet.js';
import { toldFaults } from './words.js';

const MARKS: Readonly<Record<SheetRow['outcome'], string>> = {
  pass: MARK.pass,
  fail: MARK.fail,
  'not-compared': MARK.undecided,
};

/** For the summary of a CI step. */
export function verifyMarkdown(asked: Verification): string {
  const end = sheetOf(asked);
  const outcome = outcomeOf(end);
  const title = `### ${MARK[outcome]} tensim verify: ${outcome}\n\n${cell(titleOf(asked))}`;
  const parts = 'error' in end ? [cell(end.error.message)] : sheetParts(end.result);
  return `${[title, ...parts].join('\n\n')}\n`;
}

function sheetParts(sheet: Sheet): string[] {
  const { summary, faults, facts, notes } = sheet;
  const told = toldFaults(faults).map(({ title, where, text }) => [title, where, text].map(cell));
  return [
    cell(summary),
    ...(told.length === 0 ? [] : [table(['what', 'where', ''], told)]),
    ...tensorParts(sheet),
    facts.map(([name, value]) => `${name}: ${cell(value)}`).join('  \n'),
    ...notes.map(cell),
  ];
}

function tensorParts(sheet: Sheet): string[] {
  const { shown, left } = listedRows(sheet);
  const rows = shown.map(({ outcome, tensor, state, cells }) => [
    MARKS[outcome],
    ...[tensor, state, ...cells].map(cell),
  ]);
  return [...(rows.length === 0 ? [] : [table(['', ...sheet.head], rows)]), ...(left === null ? [] : [cell(left)])];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
