import type { MergeResult, VerifyResult } from '../../verify/terms.js';
import { errorJson } from '../judgement.js';
import { SCHEMAS } from '../schemas.js';
import type { Asked, Verification } from './sheet.js';

/**
 * Plain data, the contract `tensim.verify/1`. `kind` is `pair` or `merge`; `outcome` is `pass`, `fail`, `undecided` or
 * `error`, where nothing but the paths and the error is told.
 */
export function verifyJson(asked: Verification): Record<string, unknown> {
  const { kind, end } = asked;
  if (!('error' in end)) return verdictJson(kind, end.result);
  const file = (path: string) => ({ file: path });
  const subjects =
    asked.kind === 'pair'
      ? { reference: file(asked.reference), candidate: file(asked.candidate) }
      : { base: file(asked.base), adapters: asked.adapters.map(file), merged: file(asked.merged) };
  return { schema: SCHEMAS.verify, kind, outcome: 'error', ...subjects, error: errorJson(end.error) };
}

/** The same of a verdict, which no error stopped. */
export function verdictJson(kind: Asked['kind'], result: VerifyResult | MergeResult): Record<string, unknown> {
  return { schema: SCHEMAS.verify, kind, ...result };
}
