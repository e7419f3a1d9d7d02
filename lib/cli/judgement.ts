import { appendFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TensimError } from '../errors.js';
import { type JudgementOptions, REPORT_FORMATS, type ReportFormat } from '../report/judgement.js';
import { checkPlace, writeWhole } from '../report/write.js';
import { listed } from '../words/names.js';
import { composed, oneLine } from '../words/quoting.js';
import { EXIT, isClosedPipe } from './exit.js';
import { fitted, type Io, print, say } from './io.js';
import { collect, textOptions } from './options.js';

/** What the process answers for each outcome of a command that judges. */
const OUTCOME_CODES = { pass: EXIT.done, fail: EXIT.checkFailed, undecided: EXIT.undecided } as const;

/** The options of commands that judge, as commander parses them. */
export interface JudgementFlags {
  readonly format: readonly Wanted[];
  readonly out: readonly string[];
  readonly json?: boolean;
  readonly shadow?: boolean;
}

/** A report that is wanted: on stdout, or in a file. */
interface Wanted {
  readonly format: ReportFormat;
  readonly file?: string;
}

/** Formats by the endings of files. */
const ENDINGS: Readonly<Record<string, ReportFormat>> = {
  '.txt': 'text',
  '.json': 'json',
  '.xml': 'junit',
  '.md': 'markdown',
};

export function addJudgementOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--format <format>',
        'what is printed, or FORMAT=FILE for what is written beside; github: the text with annotations, and the job summary (repeatable) (default: text)',
      )
        .choices(REPORT_FORMATS)
        .argParser(parseWanted)
        .default([], 'text'),
    )
    .addOption(
      new Option('--out <file>', 'also write a report; its ending says which: .txt .json .xml .md (repeatable)')
        .argParser(collect)
        .default([], 'none'),
    )
    .option('--json', 'print JSON, as --format json')
    .option('--shadow', 'report only: the exit code is 0 whatever the verdict');
}

function parseWanted(text: string, before: readonly Wanted[]): Wanted[] {
  const [, name, file] = /^([^=:]*)(?:[=:](.+))?$/s.exec(text) ?? [];
  const format = REPORT_FORMATS.find((one) => one === name);
  if (format === undefined) throw new InvalidArgumentError(`Allowed choices are ${REPORT_FORMATS.join(', ')}.`);
  return [...before, { format, ...(file !== undefined && { file }) }];
}

/** What is told of a verdict, and where. */
export interface Outlets {
  /** One of them, or the text and annotations. */
  readonly printed: readonly ReportFormat[];
  readonly files: readonly Required<Wanted>[];
  readonly shadow: boolean;
}

/**
 * Where the reports go; checked before the work.
 * @throws TensimError `INVALID_ARGUMENT` for two reports on stdout, or a file that no ending tells the kind of; as
 * `checkPlace`
 */
export async function outletsOf({ format, out, json = false, shadow = false }: JudgementFlags): Promise<Outlets> {
  const wanted: Wanted[] = [...format, ...(json ? [{ format: 'json' as const }] : []), ...out.map(byEnding)];
  const files = wanted.filter((one): one is Required<Wanted> => one.file !== undefined);
  for (const { file } of files) await checkPlace(file);
  const bare = new Set(wanted.flatMap((one) => (one.file === undefined ? [one.format] : [])));
  // Annotations are lines of a log: they stand below the text, and nowhere else.
  if (bare.size === 0 || (bare.size === 1 && bare.has('github'))) bare.add('text');
  if (bare.size > (bare.has('github') && bare.has('text') ? 2 : 1)) {
    throw new TensimError('INVALID_ARGUMENT', `${listed([...bare], 'and')} cannot be used with each other on stdout`, {
      hint: 'Write one of them to a file: --format junit=report.xml',
    });
  }
  const printed = REPORT_FORMATS.filter((one) => bare.has(one));
  return { printed, files, shadow };
}

function byEnding(file: string): Wanted {
  const format = ENDINGS[extname(file).toLowerCase()];
  if (format !== undefined) return { format, file };
  throw new TensimError('INVALID_ARGUMENT', `"${file}" does not say which kind of report to write`, {
    hint: `Endings are ${Object.keys(ENDINGS).join(', ')}; or say it: --format junit=FILE`,
  });
}

/** A report in pieces. */
export type MakeReport = (format: ReportFormat, options: JudgementOptions) => Iterable<string>;

/** Writes and prints the reports of a verdict. That nobody reads what is printed changes nothing about the verdict. */
export async function tellVerdict({ printed, files, shadow }: Outlets, report: MakeReport, io: Io): Promise<void> {
  for (const { format, file } of files) {
    await writeWhole(file, Array.from(report(format, { shadow }), composed));
    say(io, `wrote ${oneLine(file)}\n`);
  }
  const summary = printed.includes('github') ? io.env.GITHUB_STEP_SUMMARY : undefined;
  if (summary) await appendSummary(summary, [...report('markdown', { shadow })].join(''));
  for (const format of printed) {
    try {
      const pieces = report(format, { ...textOptions(io), shadow });
      await print(io, format === 'text' ? [fitted(io, [...pieces].join(''))] : pieces);
    } catch (error) {
      if (!isClosedPipe(error)) throw error;
    }
  }
}

/** Adds to the page that GitHub shows of a job. */
async function appendSummary(file: string, text: string): Promise<void> {
  await appendFile(file, composed(text)).catch((cause: Error) => {
    throw new TensimError('INVALID_ARGUMENT', `the job summary cannot be written: ${cause.message}`, { file, cause });
  });
}

/** The exit code of a verdict; in the shadow it is told and is none. */
export function codeOf(outcome: keyof typeof OUTCOME_CODES, { shadow }: Outlets, io: Io): number {
  if (!shadow) return OUTCOME_CODES[outcome];
  say(io, `shadow: the verdict is "${outcome}", and the exit code 0 all the same\n`);
  return EXIT.done;
}
