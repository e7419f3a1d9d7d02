import type { AdapterMatrix } from '../../adapters/terms.js';
import { jsonPieces, plain, Rows } from '../json_pieces.js';
import { SCHEMAS } from '../schemas.js';

/**
 * What adapters change, compared, as plain data, the contract `tensim.adapters/1`. Cosines with an adapter that is zero
 * are null.
 */
export function adaptersJson(result: AdapterMatrix): Record<string, unknown> {
  return plain(adaptersFields(result));
}

/** The same as JSON in pieces of a row each. */
export function* adaptersJsonText(result: AdapterMatrix): Generator<string> {
  yield* jsonPieces(adaptersFields(result));
  yield '\n';
}

function adaptersFields({ gram, cosine, ...result }: AdapterMatrix): object {
  return { schema: SCHEMAS.adapters, ...result, gram: new Rows(gram), cosine: new Rows(cosine) };
}
