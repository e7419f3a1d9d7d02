import { TensimError } from '../../../errors.js';
import type { Attention, Piece } from '../network.js';
import { type Geometry, inBlocks } from './packing.js';
import { positionalOf, rotationOf } from './rotation.js';
import type { Scope } from './scope.js';
import type { Names, View } from './view.js';

/**
 * A layer's attention. What is missing of it the view remembers.
 * @throws TensimError `INVALID_FILE` for heads that nobody tells or that cannot be; `SHAPE_MISMATCH`
 */
export function attentionOf(scope: Scope, view: View, number: number, transposed: boolean): Attention {
  const { layout, settings, width } = scope;
  const { query, key, value, packed, output, queryNorm, keyNorm } = layout.attention;
  const about = transposed ? ({ transposed } as const) : {};
  const geometry = geometryOf(scope, view, transposed);
  const hasNorms = [queryNorm, keyNorm].some((names) => names && view.find(scope.gains(names)) !== undefined);
  const normalised = layout.normalisesHeads ?? hasNorms;
  const [outputs, outputBias] = scope.linear(view, output, about);
  const rotation = rotationOf(layout, settings, geometry.width, number, scope.outside);
  const divisors = layout.divisors && scope.outside.optional(scope.weights(layout.divisors));
  const inOne = packed && scope.has(view, packed) ? packed : undefined;
  const parts = (role: 'query' | 'key' | 'value', names: Names): [weight: Piece, bias: Piece | undefined] => {
    if (inOne === undefined) return scope.linear(view, names, layout.headsApart ? { perHead: true } : about);
    const rows = (layout.packing ?? inBlocks)(geometry, settings)[role];
    return scope.linear(view, inOne, { ...about, rows });
  };
  const [queries, queryBias] = parts('query', query ?? packed!);
  const [keys, keyBias] = parts('key', key ?? packed!);
  const [values, valueBias] = parts('value', value ?? packed!);
  scope.check(queries, geometry.heads * geometry.width, width);
  scope.check(keys, geometry.groups * geometry.width, width);
  scope.check(values, geometry.groups * geometry.width, width);
  scope.check(outputs, width, geometry.heads * geometry.width);
  return {
    ...geometry,
    ...{ query: queries, key: keys, value: values, output: outputs },
    ...(queryBias && { queryBias }),
    ...(keyBias && { keyBias }),
    ...(valueBias && { valueBias }),
    ...(outputBias && { outputBias }),
    rotation: rotation && { ...rotation, ...(divisors && { divisors }) },
    ...(normalised && { normalised: true as const }),
    ...(positionalOf(layout, settings, scope.outside) === 'alibi' && { slopes: true as const }),
  };
}

function geometryOf(scope: Scope, view: View, transposed: boolean): Geometry {
  const { layout, settings } = scope;
  const { query, key = [], packed, output } = layout.attention;
  const shapeOf = (names: Names | undefined) => {
    const name = names && view.find(scope.weights(names));
    return name === undefined ? undefined : view.shape(name);
  };
  if (layout.headsApart) {
    const [own, shared] = [shapeOf(query ?? output), shapeOf(key)];
    const [heads, , width] = own ?? [0, 0, 0];
    return { heads, groups: shared?.[0] ?? heads, width };
  }
  const rowsOf = (names: Names | undefined) => shapeOf(names)?.[transposed ? 1 : 0];
  const heads = settings.heads();
  const [own, all, keys] = [rowsOf(query), rowsOf(packed), rowsOf(key)];
  const rows = own ?? all ?? scope.width;
  const written = shapeOf(output)?.[transposed ? 0 : 1];
  const told = settings.count('headWidth');
  const toldGroups = layout.groupsByShape ? undefined : settings.count('groups');
  // Where nobody says how many heads of keys there are, the shapes do, as queries are as wide as what is written from.
  const guess = told ?? (own ?? written ?? scope.width) / heads;
  const shared = own === undefined && all !== undefined ? (all / guess - heads) / 2 : (keys ?? own ?? heads) / guess;
  const groups = toldGroups ?? (Number.isSafeInteger(shared) && shared > 0 ? shared : heads);
  const width = told ?? rows / (own === undefined && all !== undefined ? heads + 2 * groups : heads);
  if (Number.isSafeInteger(width) && Number.isSafeInteger(heads / groups)) return { heads, groups, width };
  throw new TensimError(
    'INVALID_FILE',
    `has ${rows} rows of attention, which are no ${heads} heads with ${groups} of keys and values`,
    { file: settings.file, hint: 'Check the number of heads in its config.json, or given as config.heads' },
  );
}
