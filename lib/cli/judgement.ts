import { Option } from 'commander';
import { REPORT_FORMATS } from '../report/judgement.js';
import { EXIT, isClosedPipe } from './exit.js';
import { type Io, print } from './io.js';

/** What the process answers for each outcome of a command that judges. */
export const OUTCOME_CODES = { pass: EXIT.done, fail: EXIT.checkFailed, undecided: EXIT.undecided } as const;

export function formatOption(): Option {
  return new Option('--format <format>', 'what is printed').choices(REPORT_FORMATS).default('text');
}

/** Prints the report of a verdict. That nobody reads it to its end changes nothing about the verdict. */
export async function printVerdict(io: Io, report: Iterable<string>): Promise<void> {
  try {
    await print(io, report);
  } catch (error) {
    if (!isClosedPipe(error)) throw error;
  }
}
