import { TensimError } from '../../../errors.js';
import { quoted } from '../../../words/names.js';
import type { LayerBlocks, Norm, OtherNorm } from '../network.js';
import type { Scope } from './scope.js';
import type { Names, View } from './view.js';

/** What is found of a layer's norms. */
type FoundNorms = Pick<LayerBlocks, 'attentionNorm' | 'mlpNorm' | 'norms'>;

/** What a layer has beside its norms. */
interface Parts {
  readonly attention: boolean;
  readonly mlp: boolean;
  /** Of the layer before; undefined for the first. */
  readonly before: View | undefined;
  readonly isLast: boolean;
}

/**
 * Which norm stands before which block of a layer, and which stand elsewhere.
 * @throws TensimError `INVALID_FILE` where nobody says whether there are norms without weights, and where those of sums
 * are missing
 */
export function normsOf(scope: Scope, view: View, parts: Parts): FoundNorms {
  const { layout, settings } = scope;
  if (layout.sums?.(settings)) return normsOfSums(scope, view, parts);
  const isBehind = layout.normsBehind?.(view) === true;
  const before = (has: boolean, names: Names) => (has && !isBehind ? scope.norm(view, names) : undefined);
  const attentionNorm = before(parts.attention, layout.attentionNorm);
  const mlpNorm = before(parts.mlp, layout.mlpNorm);
  const norms = othersOf(scope, view);
  const hasBehind = norms.behindAttention !== undefined || norms.behindMlp !== undefined;
  const isBare = attentionNorm === undefined && mlpNorm === undefined && !hasBehind;
  const kind = isBare && (parts.attention || parts.mlp) ? scope.bareNorm() : 'none';
  const bare: Norm | undefined = kind === 'none' ? undefined : { kind };
  const [first, second] = [attentionNorm ?? bare, mlpNorm ?? bare];
  return {
    ...(first && { attentionNorm: first }),
    ...(second && { mlpNorm: second }),
    ...(Object.keys(norms).length > 0 && { norms }),
  };
}

/** Attention is given what the norm of the layer before gives, and the MLP what that of the attention's sum does. */
function normsOfSums(scope: Scope, view: View, { before, isLast }: Parts): FoundNorms {
  const { layout, settings } = scope;
  const { behindAttention = [], behindMlp = [], embeddingNorm = [] } = layout;
  const attentionNorm = before === undefined ? scope.norm(scope.outside, embeddingNorm) : scope.norm(before, behindMlp);
  const mlpNorm = scope.norm(view, behindAttention);
  if (mlpNorm === undefined)
    throw new TensimError('INVALID_FILE', `has no norm of the sum behind attention (${quoted(behindAttention)})`, {
      file: settings.file,
      hint: 'It is a transformer of other norms than its names say: describe its blocks in a model.json',
    });
  // That of another layer is told there.
  const last = isLast ? scope.norm(view, behindMlp) : undefined;
  const norms = { ...othersOf(scope, view), ...(last && { behindMlp: last }) };
  return {
    ...(attentionNorm && { attentionNorm }),
    ...(mlpNorm && { mlpNorm }),
    ...(Object.keys(norms).length > 0 && { norms }),
  };
}

/** Those that stand before no block. */
function othersOf(scope: Scope, view: View): Partial<Record<OtherNorm, Norm>> {
  const { layout, settings } = scope;
  const { queryNorm, keyNorm } = layout.attention;
  const [behindAttention, behindMlp] = layout.sums?.(settings) ? [] : [layout.behindAttention, layout.behindMlp];
  const places = { behindAttention, behindMlp, query: queryNorm, key: keyNorm };
  const found: Partial<Record<OtherNorm, Norm>> = {};
  for (const [place, names] of Object.entries(places) as [OtherNorm, Names | undefined][]) {
    const unasked = names?.filter((name) => scope.gains([name]).every((one) => !view.isAsked(one)));
    const norm = unasked && scope.norm(view, unasked);
    if (norm !== undefined) found[place] = norm;
  }
  return found;
}
