import type { AdapterMatrix } from '../../adapters/terms.js';
import { jsonPieces, Rows } from '../json_pieces.js';
import { SCHEMAS } from '../schemas.js';

/**
 * What adapters change, compared, as JSON in pieces of a row each, the contract `tensim.adapters/1`. Cosines with an
 * adapter that is zero are null.
 */
export function* adaptersJsonText({ gram, cosine, ...result }: AdapterMatrix): Generator<string> {
  yield* jsonPieces({ schema: SCHEMAS.adapters, ...result, gram: new Rows(gram), cosine: new Rows(cosine) });
  yield '\n';
}
