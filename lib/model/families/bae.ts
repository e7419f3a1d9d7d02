import { TensimError } from '../../errors.js';
import type { Place } from '../../layers/place.js';
import type { TensorInfo, Tensors } from '../blueprint.js';
import type { ModelSettings } from '../settings.js';
import { type Family, matchNames } from './family.js';
import { shown, untold } from './refusals.js';

/**
 * The encoder of a bilinear autoencoder, x ↦ D((L x) ⊙ (R x)): bare matrices `left` and `right` (f, d), and `down`
 * (b, f), which a coder without a bottleneck has not. Each may also be stored the other way, inputs in rows. Shapes tell
 * which, or the width `d_model` that the config.json beside it says.
 */
export const bae: Family = {
  name: 'bae',
  looksFor: 'left, right, down',
  match: (tensors) => matchNames(tensors, ['left', 'right'], ['down']),
  blueprint(tensors, settings) {
    const { features, down } = orientationOf(tensors, settings);
    const side = (tensor: string): Place => ({ tensor, ...(features === 'columns' && { transposed: true }) });
    return {
      family: 'bae',
      positions: 1,
      layers: [
        {
          type: 'bilinear',
          left: side('left'),
          right: side('right'),
          ...(down !== undefined && { down: { tensor: 'down', ...(down === 'rows' && { transposed: true }) } }),
          alpha: 0,
          beta: 1,
        },
      ],
    };
  },
};

/** What the features are counted by: rows or columns of L and R, and of D, which usually has them in columns. */
interface Orientation {
  readonly features: 'rows' | 'columns';
  readonly down?: 'columns' | 'rows';
}

/** The usual one first. */
const SIDES = ['rows', 'columns'] as const;
const DOWN = ['columns', 'rows'] as const;

/** @throws TensimError for shapes that do not fit, or fit in two ways of which nobody says which is meant. */
function orientationOf(tensors: Tensors, settings: ModelSettings): Orientation {
  const [left, right] = ['left', 'right'].map((name) => tensors.get(name) as TensorInfo);
  const down = tensors.get('down');
  const all = [left, right, ...(down === undefined ? [] : [down])];
  const parts = all.map(({ name, shape }) => shown({ inFile: name, shape })).join(', ');
  const { file } = settings;
  if (all.some(({ shape }) => shape.length !== 2) || String(left.shape) !== String(right.shape))
    throw untold(file, `has two sides and what follows them, whose shapes do not fit: ${parts}`);
  const [rows, columns] = left.shape as readonly [number, number];
  const counts = { rows, columns } as const;
  const inputs = { rows: columns, columns: rows } as const;
  const width = settings.width();
  const sides = SIDES.filter((features) => width === undefined || inputs[features] === width);
  const fitting = sides.flatMap((features): Orientation[] => {
    if (down === undefined) return [{ features }];
    const [downRows, downColumns] = down.shape;
    const size = { rows: downRows, columns: downColumns } as const;
    return DOWN.filter((axis) => size[axis] === counts[features]).map((axis) => ({ features, down: axis }));
  });
  const [first, ...others] = fitting;
  if (first === undefined)
    throw untold(
      file,
      `has two sides and what follows them, whose shapes do not fit${width === undefined ? '' : ` for ${width} inputs`}: ${parts}`,
    );
  // What is square can be stored in the usual way only; without a last matrix nothing but the config could tell.
  const unusual = others.some(({ features }) => features !== first.features && rows !== columns);
  if (unusual && down !== undefined)
    throw new TensimError('INVALID_FILE', `does not say "d_model", and its shapes fit in two ways: ${parts}`, {
      file,
      hint: `Put its config.json beside it, or say how many inputs it has: --config '{"d_model": ${columns}}'`,
    });
  return first;
}
