import { TensimError } from '../../errors.js';
import type { TensorEntry } from '../entry.js';
import { checkScales, packedAt, scalesIn, wholeLevels, wordsIn } from './numbers.js';
import { type Finding, type StoredTensors, type Told, wrongShape } from './stored.js';

/** What MLX says of a layer, or of all that have nothing said of them. */
interface Setting {
  readonly bits?: unknown;
  readonly group_size?: unknown;
  readonly mode?: unknown;
}

/**
 * A weight of MLX: whole numbers packed into words along the inputs, the lowest bits first, times the scale of their
 * group and with its offset, `biases`, added.
 */
export async function affine(entry: TensorEntry, stored: StoredTensors): Promise<Finding> {
  const module = /^(.*)\.weight$/.exec(entry.name)?.[1];
  const { dtype, shape } = entry;
  if (module === undefined || dtype !== 'U32' || shape.length < 2) return undefined;
  const [scales, biases] = ['scales', 'biases'].map((one) => stored.get(`${module}.${one}`));
  if (scales === undefined && biases === undefined) return undefined;
  stored.need(`${module}.scales`, entry);
  const told = await stored.told();
  const { bits, group, mode } = settingOf(module, told, entry);
  // What MLX writes since in floating-point types of four and eight bits: refused by name where it is needed.
  if (mode !== undefined && mode !== 'affine') return undefined;
  stored.need(`${module}.biases`, entry);
  const columns = (shape.at(-1)! * 32) / bits;
  const perRow = columns / group;
  const expected = [...shape.slice(0, -1), perRow];
  for (const part of [scales!, biases!]) {
    checkScales(part);
    if (part.shape.length !== expected.length || part.shape.some((extent, i) => extent !== expected[i]))
      throw wrongShape(part, `and [${shape.join(', ')}] words of ${bits} bits in groups of ${group} need another`);
  }
  const words = shape.at(-1)!;
  return {
    name: entry.name,
    shape: [...shape.slice(0, -1), columns],
    quantised: { format: `MLX int${bits}`, block: [1, group], levels: wholeLevels(0, 2 ** bits - 1), offset: true },
    parts: [
      { entry, byRows: { width: words } },
      { entry: scales!, byRows: { width: perRow } },
      { entry: biases!, byRows: { width: perRow } },
    ],
    *decoder([packed, factors, offsets]) {
      const data = wordsIn(packed.bytes);
      const values = yield* scalesIn(factors);
      const added = yield* scalesIn(offsets);
      return (from, to, into, at) => {
        for (let row = from, out = at; row < to; row++) {
          const first = row * words - packed.skipped;
          for (let column = 0; column < columns; ) {
            const place = row * perRow + column / group;
            const [scale, offset] = [values[place - factors.skipped], added[place - offsets.skipped]];
            for (const end = column + group; column < end; column++)
              into[out++] = Math.fround(packedAt(data, first, 1, column, bits) * scale) + offset;
          }
        }
      };
    },
  };
}

/**
 * How a layer is stored: what is said of it by its name, or of all. Shapes tell only how many bits a group has.
 * @throws TensimError `INVALID_FILE` where nobody says it
 */
function settingOf(module: string, { file, values }: Told, entry: TensorEntry) {
  const own = values[module] ?? values[module.replace(/^language_model\./, '')];
  const setting = { ...(values as Setting), ...(typeof own === 'object' && (own as Setting)) };
  const [bits, group] = [setting.bits, setting.group_size];
  const isOne = typeof bits === 'number' && [2, 3, 4, 5, 6, 8].includes(bits);
  if (isOne && typeof group === 'number' && Number.isSafeInteger(group) && group >= 1)
    return { bits, group, mode: setting.mode };
  throw new TensimError(
    'INVALID_FILE',
    'is quantised as MLX does it, and nothing says by how many bits in what groups',
    {
      file: file ?? entry.file,
      tensor: entry.name,
      hint: 'Put its config.json beside it, or say it: --config \'{"quantization": {"group_size": 64, "bits": 4}}\'',
    },
  );
}
