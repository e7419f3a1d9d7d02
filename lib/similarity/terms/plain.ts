import { underContract } from '../../plain_data.js';

/** A result with the JSON of its kind, and with methods that are no data. */
export function plainly<Result extends { readonly kind: string }, Methods extends object = object>(
  result: Result,
  methods?: Methods,
): Result & Methods {
  return underContract(result.kind, result, methods);
}
