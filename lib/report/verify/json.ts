import { errorJson } from '../judgement.js';
import { SCHEMAS } from '../schemas.js';
import type { Verification } from './sheet.js';

/**
 * Plain data, the contract `tensim.verify/1`. `kind` is `pair` or `merge`; `outcome` is `pass`, `fail`, `undecided` or
 * `error`, where nothing but the paths and the error is told.
 */
export function verifyJson(asked: Verification): Record<string, unknown> {
  const { kind, end } = asked;
  const head = { schema: SCHEMAS.verify, kind };
  if (!('error' in end)) return { ...head, ...end.result };
  const file = (path: string) => ({ file: path });
  const subjects =
    asked.kind === 'pair'
      ? { reference: file(asked.reference), candidate: file(asked.candidate) }
      : { base: file(asked.base), adapters: asked.adapters.map(file), merged: file(asked.merged) };
  return { ...head, outcome: 'error', ...subjects, error: errorJson(end.error) };
}
