import type { Outline } from '../../model/reading/outline.js';
import type { Source } from '../terms/types.js';

/** Where a model came from. */
export function sourceOf({ provenance }: Pick<Outline, 'provenance'>): Source {
  const { metadata, ...source } = provenance;
  return source;
}
