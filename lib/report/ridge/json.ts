import type { BlocksResult } from '../../blocks/terms.js';
import type { RidgeSweep } from '../../similarity/series/ridge_sweep.js';
import { blocksJson } from '../blocks/json.js';
import { compareJson, crossJson, matrixJson } from '../json.js';
import { jsonPieces } from '../json_pieces.js';
import { SCHEMAS } from '../schemas.js';
import type { SweptResult } from './rows.js';

/** A sweep over ridges as plain data, the contract `tensim.ridge/1`: results under their own contracts. */
export function ridgeJson({ steps }: RidgeSweep<SweptResult | BlocksResult>): Record<string, unknown> {
  return { schema: SCHEMAS.ridge, steps: steps.map((step) => ({ ...step, result: resultJson(step.result) })) };
}

/** Its text, in pieces. */
export function* ridgeJsonText(sweep: RidgeSweep<SweptResult | BlocksResult>): Generator<string> {
  yield* jsonPieces(ridgeJson(sweep));
  yield '\n';
}

function resultJson(result: SweptResult | BlocksResult): Record<string, unknown> {
  switch (result.kind) {
    case 'pair':
      return compareJson(result);
    case 'matrix':
      return matrixJson(result);
    case 'cross':
      return crossJson(result);
    case 'blocks':
      return blocksJson(result);
  }
}
