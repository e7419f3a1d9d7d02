import { oneLine } from '../words/quoting.js';

/**
 * Fields joined by commas, quoted where RFC 4180 needs it and around leading or trailing space, ended by a newline.
 * Numbers are numbers, empty where not finite; texts are texts to spreadsheets too, and show what is invisible in them.
 */
export function csvLine(fields: readonly (string | number)[]): string {
  const cells = fields.map((field) => {
    if (typeof field === 'number') return Number.isFinite(field) ? `${field}` : '';
    const text = csvText(field);
    return text !== field || /[",;\t]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(',')}\n`;
}

/** What spreadsheets take for the beginning of a formula, full width too, and what a reader may have put before it. */
const FORMULA = /^'*\s*[=+\-@＝＋－＠\t\r\n]/;

/**
 * A text as a cell has it: an apostrophe goes before what a spreadsheet would run, as OWASP advises, and what is
 * invisible is spelled out. Whoever needs the text back takes one apostrophe away where `'` stands before a formula,
 * and reads `\u{…}` as the character of that number; so a backslash that already stands before `u{` is spelled out as
 * well.
 */
function csvText(text: string): string {
  return oneLine((FORMULA.test(text) ? `'${text}` : text).replaceAll('\\u{', '\\u{5c}u{'));
}
