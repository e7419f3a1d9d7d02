import { plural } from '../../words/counts.js';
import { oneLine } from '../../words/quoting.js';
import { bold, columns, type TextOptions } from '../text.js';
import { IN_REFERENCE, listedRows, type Sheet, sheetOf, titleOf, type Verification } from './sheet.js';
import { toldFaults } from './words.js';

/** Columns of the terminal that sentences keep within; names of tensors may be longer. */
const WIDTH = 100;
/** Faults that are told. */
const MOST_FAULTS = 12;

/** What `tensim verify` prints: the verdict, what is the matter and where, and the worst tensors. */
export function verifyText(asked: Verification, { colour = false }: TextOptions = {}): string {
  const end = sheetOf(asked);
  // Errors go to stderr, as those of all commands do.
  if ('error' in end) return '';
  const sheet = end.result;
  const parts = [
    bold(`${sheet.outcome.toUpperCase()}: ${titleOf(asked)}`, colour),
    wrapped(oneLine(sheet.summary), '  '),
    ...faultTexts(sheet, colour),
    ...tableText(sheet),
    columns(sheet.facts, 'll'),
    ...(sheet.notes.length === 0
      ? []
      : [sheet.notes.map((note) => wrapped(`note: ${oneLine(note)}`, '  ')).join('\n')]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function faultTexts({ faults, ...sheet }: Sheet, colour: boolean): string[] {
  const all = toldFaults(faults);
  const summary = oneLine(sheet.summary);
  const told = all.slice(0, MOST_FAULTS).map(({ title, where, isOfMany, text }) => {
    // The summary of a single fault is its sentence.
    const isSaid = summary.includes(text);
    const place = (isOfMany || isSaid) && where !== '' ? `: ${where}` : '';
    const head = wrapped(`${bold(title, colour)}${place}`, '  ');
    return isSaid ? head : `${head}\n${wrapped(text, '  ', '  ')}`;
  });
  const left = all.length - told.length;
  return left === 0 ? told : [...told, `… ${left} more ${plural(left, 'fault')}`];
}

function tableText(sheet: Sheet): string[] {
  const { shown, left } = listedRows(sheet);
  const rows = shown.map(({ tensor, state, cells }) => [oneLine(tensor), state, ...cells.map(oneLine)]);
  const table = rows.length === 0 ? [] : [fitted([sheet.head, ...rows])];
  const lines = [...table, ...(left === null ? [] : [left])];
  return lines.length === 0 ? [] : [lines.join('\n')];
}

/** A table without the names in the reference where it would be too wide with them. */
function fitted(rows: readonly (readonly string[])[]): string {
  const whole = columns(rows, 'l'.repeat(rows[0].length));
  const at = rows[0].indexOf(IN_REFERENCE);
  if (at < 0 || whole.split('\n').every((line) => line.length <= WIDTH)) return whole;
  return columns(
    rows.map((row) => row.toSpliced(at, 1)),
    'l'.repeat(rows[0].length - 1),
  );
}

/**
 * Words on lines of at most the width; words that are longer stay whole. Lines but the first are always indented: a name
 * with spaces in it could otherwise start a line that looks like a verdict.
 */
function wrapped(text: string, indent: string, first = ''): string {
  const [word, ...others] = text.split(/ (?!%)/);
  const lines: string[] = [];
  let line = `${first}${word}`;
  for (const next of others) {
    if (line.length + 1 + next.length > WIDTH) {
      lines.push(line);
      line = `${indent}${next}`;
    } else line = `${line} ${next}`;
  }
  return [...lines, line].join('\n');
}
