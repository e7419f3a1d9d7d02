import { valueText } from '../words/quoting.js';
import { checkCount } from './counts.js';
import type { ShapeReport } from './shapes.js';

/**
 * How a rotary embedding is stretched to more positions than it was trained on, spelled as `rope_scaling` in a
 * config.json is, which can be copied as it stands. By `rope_type` (or `type`, as it was called before):
 *
 * - `linear`: positions are divided by `factor`.
 * - `dynamic`: the base grows where a model has more positions than `original_max_position_embeddings`, with `factor`.
 * - `llama3`: slow frequencies are divided by `factor`, quick ones stay, with a smooth passage between wavelengths of
 *   `original_max_position_embeddings` / `low_freq_factor` and / `high_freq_factor` (Llama 3.1).
 * - `yarn`: the same between the pairs that turn `beta_fast` (default 32) and `beta_slow` (1) times over
 *   `original_max_position_embeddings`; cosines and sines are multiplied by `attention_factor` (0.1 ln factor + 1, or
 *   what `mscale` and `mscale_all_dim` say), and the pairs are whole ones unless `truncate` is false.
 * - `default`: nothing is stretched.
 */
export interface RopeScaling {
  /** `linear`, `dynamic`, `llama3`, `yarn` or `default`. */
  readonly rope_type?: string;
  /** The same, as older files have it. */
  readonly type?: string;
  /** By how much more positions there are. */
  readonly factor?: number;
  /** Positions that the model was trained on. */
  readonly original_max_position_embeddings?: number;
  /** Of `llama3`: pairs that turn less often over these are slowed down. */
  readonly low_freq_factor?: number;
  /** Of `llama3`: pairs that turn more often stay. */
  readonly high_freq_factor?: number;
  /** Of `yarn`: pairs that turn more often stay; default 32. */
  readonly beta_fast?: number | null;
  /** Of `yarn`: pairs that turn less often are slowed down; default 1. */
  readonly beta_slow?: number | null;
  /** Of `yarn`: what cosines and sines are multiplied by. */
  readonly attention_factor?: number | null;
  /** Of `yarn`: makes that factor, with `mscale_all_dim`. */
  readonly mscale?: number | null;
  /** See `mscale`. */
  readonly mscale_all_dim?: number | null;
  /** Of `yarn`: whether the passage is between whole pairs; default true. */
  readonly truncate?: boolean | null;
}

type Field = Exclude<keyof RopeScaling, 'rope_type' | 'type'>;

/** The fields that each type needs, and those that it may have. */
const FIELDS: Readonly<Record<string, { readonly needs: readonly Field[]; readonly may?: readonly Field[] }>> = {
  default: { needs: [], may: ['factor', 'original_max_position_embeddings'] },
  linear: { needs: ['factor'], may: ['original_max_position_embeddings'] },
  dynamic: { needs: ['factor', 'original_max_position_embeddings'] },
  llama3: { needs: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'] },
  yarn: {
    needs: ['factor', 'original_max_position_embeddings'],
    may: ['beta_fast', 'beta_slow', 'attention_factor', 'mscale', 'mscale_all_dim', 'truncate'],
  },
};

const typeOf = ({ rope_type, type }: RopeScaling): string => rope_type ?? type ?? 'default';

/** What is said of a scaling: `, llama3 scaling`; nothing for one that changes nothing. */
export function scalingInWords(scaling: number | RopeScaling): string {
  if (typeof scaling === 'number') return scaling === 1 ? '' : `, positions / ${scaling}`;
  return typeOf(scaling) === 'default' ? '' : `, ${typeOf(scaling)} scaling by ${scaling.factor}`;
}

/** @throws TensimError for what is none; what a type does not know is refused, as it may change what the model computes. */
export function checkScaling(scaling: number | RopeScaling, report: Pick<ShapeReport, 'fail'>): void {
  const title = 'rotaryScaling';
  if (typeof scaling !== 'object' || scaling === null || Array.isArray(scaling)) {
    if (!(typeof scaling === 'number' && Number.isFinite(scaling) && scaling > 0))
      report.fail(`${title} is ${valueText(scaling)}, neither a positive number nor an object like "rope_scaling"`);
    return;
  }
  const type = typeOf(scaling);
  if (!Object.hasOwn(FIELDS, type))
    report.fail(`${title} is of the type ${valueText(type)}; known are ${Object.keys(FIELDS).join(', ')}`);
  const { needs, may = [] } = FIELDS[type];
  const absent = needs.find((field) => scaling[field] === undefined || scaling[field] === null);
  if (absent !== undefined) report.fail(`${title} of the type "${type}" needs "${absent}"`);
  const known: readonly string[] = ['rope_type', 'type', ...needs, ...may];
  const unknown = Object.keys(scaling).find((field) => !known.includes(field));
  if (unknown !== undefined) report.fail(`${title} of the type "${type}" has no "${unknown}"`);
  for (const field of [...needs, ...may]) checkField(field, scaling[field], report);
  const { low_freq_factor: low = 0, high_freq_factor: high = 1 } = scaling;
  if (type === 'llama3' && low >= high)
    report.fail(`${title}: low_freq_factor ${low} is not below high_freq_factor ${high}`);
}

function checkField(field: Field, value: unknown, report: Pick<ShapeReport, 'fail'>): void {
  if (value === undefined || value === null) return;
  const name = `rotaryScaling: ${field}`;
  if (field === 'truncate') {
    if (typeof value !== 'boolean') report.fail(`${name} is ${valueText(value)}, neither true nor false`);
  } else if (field === 'original_max_position_embeddings') checkCount(name, value as number, report);
  else if (!Number.isFinite(value) || (value as number) <= 0)
    report.fail(`${name} is ${valueText(value)}, not a positive number`);
}

/** How the pairs of a head turn. */
export interface Frequencies {
  /** By which angle from one position to the next, pair by pair. */
  readonly frequencies: Float64Array;
  /** What cosines and sines are multiplied by. */
  readonly factor: number;
}

/** Of `turning` features of a head, in a model of so many positions. */
export function scaledFrequencies(
  scaling: RopeScaling,
  { base, turning, positions }: { readonly base: number; readonly turning: number; readonly positions: number },
): Frequencies {
  const type = typeOf(scaling);
  const { factor = 1, original_max_position_embeddings: original = 1 } = scaling;
  const plain = (of: number) => Float64Array.from({ length: turning / 2 }, (_, j) => of ** ((-2 * j) / turning));
  if (type === 'linear') return { frequencies: plain(base).map((one) => one / factor), factor: 1 };
  if (type === 'dynamic') {
    const most = Math.max(positions, original);
    const grown = ((factor * most) / original - (factor - 1)) ** (turning / (turning - 2));
    // A single pair turns by one whatever the base.
    return { frequencies: plain(turning === 2 ? base : base * grown), factor: 1 };
  }
  if (type === 'llama3') return { frequencies: plain(base).map(llama3(scaling, original, factor)), factor: 1 };
  if (type === 'yarn') return yarn(scaling, plain(base), { base, turning, original, factor });
  return { frequencies: plain(base), factor: 1 };
}

function llama3(
  { low_freq_factor: low = 1, high_freq_factor: high = 4 }: RopeScaling,
  original: number,
  factor: number,
) {
  return (frequency: number): number => {
    // Turns over the positions of the training: a wavelength below or above the bounds.
    const turns = (original * frequency) / (2 * Math.PI);
    if (turns > high) return frequency;
    if (turns < low) return frequency / factor;
    const smooth = (turns - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  };
}

function yarn(
  scaling: RopeScaling,
  plain: Float64Array,
  about: { readonly base: number; readonly turning: number; readonly original: number; readonly factor: number },
): Frequencies {
  const { base, turning, original, factor } = about;
  const { mscale, mscale_all_dim: all, truncate } = scaling;
  // The pair, as a number between pairs, that turns so often over the positions of the training.
  const pair = (turns: number) => (turning * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [from, to] = [pair(scaling.beta_fast ?? 32), pair(scaling.beta_slow ?? 1)];
  const low = Math.max(truncate === false ? from : Math.floor(from), 0);
  const high = Math.min(truncate === false ? to : Math.ceil(to), turning - 1);
  const width = high === low ? 0.001 : high - low;
  const frequencies = plain.map((frequency, j) => {
    const ramp = Math.min(Math.max((j - low) / width, 0), 1);
    return ramp * (frequency / factor) + (1 - ramp) * frequency;
  });
  const scale = (m: number) => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);
  const usual = mscale && all ? scale(mscale) / scale(all) : scale(1);
  return { frequencies, factor: scaling.attention_factor ?? usual };
}
