import { valueText } from '../words/quoting.js';
import { type LayerReader, readNumber, readRecord } from './reader.js';
import type { NamedShape, ShapeReport } from './shapes.js';

/** What blocks have around them: x ↦ α x + β block(x). */
export interface Residual {
  /** α, what the residual counts; 0: none. */
  readonly alpha: number;
  /** β, what the block counts. */
  readonly beta: number;
}

/** The block alone: what is meant where nothing is said. */
export const NO_RESIDUAL: Residual = { alpha: 0, beta: 1 };
/** How the two are called in layers. */
export const RESIDUAL_FIELDS = ['alpha', 'beta'] as const;

export function checkFactors({ alpha, beta }: Residual, report: ShapeReport): void {
  for (const [factor, value] of Object.entries({ alpha, beta }))
    if (!Number.isFinite(value)) report.fail(`${factor} is ${valueText(value)}, not a finite number`);
}

export function checkResidual(
  { alpha }: Residual,
  takes: number,
  gives: number,
  last: NamedShape,
  report: ShapeReport,
): void {
  if (alpha !== 0 && gives !== takes)
    report.refuse(last, `a residual needs as many outputs as inputs, but the block takes ${takes} and gives ${gives}`);
}

/** The fields of a model.json that `parseResidual` reads. */
export const RESIDUAL_DESCRIPTION = [...RESIDUAL_FIELDS, 'residual'] as const;

/**
 * `alpha` and `beta` (default 0 and 1, unless `otherwise` says more), or `residual` `{ "lerp": σ }` (α = 1−σ, β = σ) or `{ "add": s }` (α = 1, β =
 * s).
 */
export function parseResidual(reader: LayerReader, otherwise: Residual = NO_RESIDUAL): Residual {
  const { fields, title, fail } = reader;
  const { alpha, beta, residual } = fields;
  if (residual === undefined) {
    return {
      alpha: alpha === undefined ? otherwise.alpha : reader.number('alpha'),
      beta: beta === undefined ? otherwise.beta : reader.number('beta'),
    };
  }
  if (alpha !== undefined || beta !== undefined) fail(`${title} has "residual" as well as "alpha" or "beta"`);
  const kinds = readRecord(residual, `${title}: "residual"`, fail);
  const [kind, ...others] = Object.keys(kinds);
  if ((kind !== 'lerp' && kind !== 'add') || others.length > 0)
    return fail(`${title}: "residual" must be { "lerp": σ } or { "add": scale }`);
  const scale = readNumber(kinds[kind], `${title}: "${kind}"`, fail);
  return kind === 'lerp' ? { alpha: 1 - scale, beta: scale } : { alpha: 1, beta: scale };
}

/** `, residual 0.5 x + 0.5 block(x)`; empty for the block alone. */
export function residualInWords({ alpha, beta }: Residual): string {
  if (alpha === 0 && beta === 1) return '';
  return alpha === 0 ? `, times ${beta}` : `, residual ${alpha} x + ${beta} block(x)`;
}
