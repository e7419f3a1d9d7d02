import { jsonPieces } from '../json_pieces.js';
import type { JudgementOptions, ReportFormat } from '../judgement.js';
import { verifyJson } from './json.js';
import { verifyGithub, verifyJunit } from './junit.js';
import { verifyMarkdown } from './markdown.js';
import type { Verification } from './sheet.js';
import { verifyText } from './text.js';

/** The report of a verification in pieces. */
export function* verifyReport(
  format: ReportFormat,
  asked: Verification,
  options?: JudgementOptions,
): Generator<string> {
  switch (format) {
    case 'text':
      return yield verifyText(asked, options);
    case 'json':
      yield* jsonPieces(verifyJson(asked));
      return yield '\n';
    case 'junit':
      return yield verifyJunit(asked);
    case 'markdown':
      return yield verifyMarkdown(asked);
    case 'github':
      return yield verifyGithub(asked, options);
  }
}
