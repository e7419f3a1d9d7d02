import { TensimError } from '../../../errors.js';
import type { BlockSettings } from '../settings.js';
import type { Positional } from './layout.js';
import type { Names, View } from './view.js';

/**
 * Of a layout with learned positions: networks of its names without them know positions in another way, which somebody
 * must say.
 * @param learned tensors of which one is there where positions are learned
 * @param tokens the same of the embedding: a part of a network that has neither is taken to have learned ones elsewhere
 */
export function learnedUnless(learned: Names, tokens: Names) {
  return (settings: BlockSettings, outside?: View): Positional => {
    const told = settings.text('positional');
    if (told === 'alibi') return told;
    if (told === 'rotary') return { interleaved: interleavedIn(settings), base: 10_000 };
    const isLearned =
      outside === undefined || outside.find(learned) !== undefined || outside.find(tokens) === undefined;
    if (told !== undefined || isLearned) return 'none';
    throw new TensimError('INVALID_FILE', 'has no learned positions, and does not say which others it has', {
      file: settings.file,
      hint: `Put its config.json beside it, or say it: --config '{"positional_embedding_type": "rotary"}', or "alibi", or "none"`,
    });
  };
}

/** @throws TensimError `INVALID_FILE` where nobody says it */
function interleavedIn(settings: BlockSettings): boolean {
  const found = settings.truth('interleaved');
  if (found !== undefined) return found;
  throw new TensimError('INVALID_FILE', 'does not say which rows its rotary embedding turns together', {
    file: settings.file,
    hint: `Say whether neighbours, or those of two halves: --config '{"rope_interleaved": true}', or false`,
  });
}
