/** Columns that a text takes on a terminal: characters without the codes of emphasis. */
export function displayWidth(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts an ANSI code
  return [...text.replace(/\u001b\[\d+m/g, '')].length;
}

/** Least width that is wrapped to: below it there would be a word on every line. */
const NARROWEST = 20;
/** What the lines that follow are indented by, beside the indentation of the first. */
const HANGING = 2;
/** A command is for copying, and stays on one line. */
const COMMAND = /^\s*\$ /;
/** Columns of a table are told by the spaces between them; the last may be prose. */
const COLUMNS = /^(.*\S {2,})(\S.*)$/;

/**
 * A text whose lines are broken at spaces so that none is wider, those of a table within their last column; commands and
 * words that are too long stay as they are. Without a width the text is left alone.
 *
 *     wrapped('note: a long way to go', 20)      // 'note: a long way to\n  go'
 */
export function wrapped(text: string, width: number | undefined): string {
  if (width === undefined || width < NARROWEST) return text;
  return text
    .split('\n')
    .map((line) => (displayWidth(line) <= width || COMMAND.test(line) ? line : brokenLine(line, width)))
    .join('\n');
}

function brokenLine(line: string, width: number): string {
  const [, columns] = COLUMNS.exec(line) ?? [];
  const lead = columns ?? /^ */.exec(line)![0];
  const indent = columns === undefined ? lead.length + HANGING : displayWidth(lead);
  if (columns !== undefined && width - indent < NARROWEST) return line;
  const [first, ...words] = line.slice(lead.length).split(' ');
  const lines: string[] = [];
  let current = lead + first;
  for (const word of words) {
    if (displayWidth(current) + 1 + displayWidth(word) <= width) current += ` ${word}`;
    else {
      lines.push(current);
      current = `${' '.repeat(indent)}${word}`;
    }
  }
  return [...lines, current].join('\n');
}
