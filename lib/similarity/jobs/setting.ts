import type { BackendName } from '../../backend/backend.js';
import type { ChainMethod, GramRoute, Grams } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { DType } from '../../tensor/tensor.js';
import { version } from '../../version.js';
import { quote } from '../../words/quoting.js';
import { isOnehot, type LawOfInputs } from '../law/onehot.js';
import type { Comparison } from '../plan/comparison.js';
import type { SampledLaw } from '../sampled/sampled.js';
import {
  doublesIn,
  readChoice,
  readDoubles,
  readFields,
  readFlag,
  readList,
  readText,
  readWhole,
  writeNumbers,
  wrong,
} from './fields.js';

/** A law by its numbers, whatever its name: as `WhitenedLaw`, arrays in base64; or one-hot vectors by their length. */
export type LawText =
  | { readonly onehot: number }
  | {
      readonly sigma: number;
      readonly mean?: string;
      readonly factor?: { readonly columns: number; readonly data: string };
    };

/** What every setting says. Jobs of another version may have other bits. */
interface Common {
  readonly version: string;
  readonly dtype: DType;
  /** Whether products of floats are one pass of TF32. */
  readonly tf32?: true;
  readonly backend: BackendName;
  /** The instructions that the backend takes, where its last bits depend on them: see `Grams`. */
  readonly arithmetic?: string;
  readonly perOutput: boolean;
}

/** What inner products depend on beside the two models, with the law as text or as numbers. */
export type Setting<Law> = ChainSetting<Law> | WeightSetting | SampleSetting<Law>;

export interface ChainSetting<Law> extends Common {
  readonly measure: 'gaussian' | 'tensor';
  readonly method: 'exact' | 'closure';
  readonly chain: ChainMethod;
  readonly route: GramRoute | null;
  readonly law: Law;
  /** Whether degrees are slices too, behind the outputs. */
  readonly degrees?: true;
}

export interface WeightSetting extends Common {
  readonly measure: 'weights';
  readonly method: 'exact';
  /** The parameters, in the order of the slices. */
  readonly names: readonly string[];
}

export interface SampleSetting<Law> extends Common {
  readonly measure: 'gaussian';
  readonly method: 'sampled';
  readonly law: Law | 'tokens';
}

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for the measure `behavioural`, whose inputs are in memory. */
export async function writeSetting(comparison: Comparison): Promise<Setting<LawText>> {
  const { info, settings } = comparison;
  const { dtype, tf32, backend, method, route, measure } = info;
  const { perOutput, signal } = settings;
  const { arithmetic } = settings.backend.grams;
  const by = { ...(tf32 && { tf32 }), backend, ...(arithmetic !== undefined && { arithmetic }) };
  const common = { version, dtype, ...by, perOutput };
  const pacer = new Pacer(signal);
  if (comparison.kind === 'samples') {
    const law = comparison.law === 'tokens' ? comparison.law : await writeLaw(comparison.law, pacer);
    return { ...common, measure: 'gaussian', method: 'sampled', law };
  }
  if (comparison.kind === 'weights') {
    return { ...common, measure: 'weights', method: 'exact', names: comparison.names };
  }
  if (comparison.kind === 'behaviours' || method === 'sampled' || measure === 'weights' || measure === 'behavioural') {
    throw new TensimError('INVALID_ARGUMENT', `the measure "${measure}" has no jobs`, {
      hint: 'Its inputs are in memory, and it compares quickly',
    });
  }
  const law = await writeLaw(comparison.law, pacer);
  const degrees = settings.degrees === true && { degrees: true as const };
  return { ...common, measure, method, chain: comparison.method, route, law, ...degrees };
}

async function writeLaw(law: LawOfInputs, pacer: Pacer): Promise<LawText> {
  if (isOnehot(law)) return { onehot: law.onehot };
  const { sigma, mean, factor } = law;
  return {
    sigma,
    ...(mean && { mean: await writeNumbers(mean, pacer) }),
    ...(factor && { factor: { columns: factor.columns, data: await writeNumbers(factor.data, pacer) } }),
  };
}

const COMMON = ['version', 'measure', 'method', 'dtype', 'backend', 'perOutput'];
const MAYBE = ['arithmetic', 'tf32'];

/** @throws TensimError (rejects) `INVALID_ARGUMENT`; `NOT_FINITE` for a law that is no numbers. */
export async function readSetting(value: unknown, where: string, pacer: Pacer): Promise<Setting<LawOfInputs>> {
  const all = readFields(value, where, COMMON, [...MAYBE, 'chain', 'route', 'law', 'names', 'degrees']);
  const at = (name: string) => `${where}.${name}`;
  const written = readText(all.version, at('version'));
  if (written !== version) throw wrong(at('version'), `"${version}": other versions may give other bits`);
  const common = {
    version,
    dtype: readChoice(all.dtype, at('dtype'), ['float64', 'float32'] as const),
    ...(all.tf32 !== undefined && { tf32: readChoice(all.tf32, at('tf32'), [true] as const) }),
    backend: readChoice(all.backend, at('backend'), ['native', 'cuda', 'fallback'] as const),
    ...(all.arithmetic !== undefined && { arithmetic: readText(all.arithmetic, at('arithmetic')) }),
    perOutput: readFlag(all.perOutput, at('perOutput')),
  };
  const measure = readChoice(all.measure, at('measure'), ['gaussian', 'tensor', 'weights'] as const);
  if (measure === 'weights') {
    const { method, names } = readFields(value, where, [...COMMON, 'names'], MAYBE);
    readChoice(method, at('method'), ['exact'] as const);
    return { ...common, measure, method: 'exact', names: readList(names, at('names'), readText) };
  }
  const method = readChoice(all.method, at('method'), METHODS[measure]);
  if (method === 'sampled') {
    const { law } = readFields(value, where, [...COMMON, 'law'], MAYBE);
    const own = law === 'tokens' ? law : await readLaw(law, at('law'), pacer);
    return { ...common, measure: 'gaussian', method, law: own };
  }
  const fields = readFields(value, where, [...COMMON, 'chain', 'route', 'law'], [...MAYBE, 'degrees']);
  return {
    ...common,
    measure,
    method,
    chain: readChoice(fields.chain, at('chain'), ['one-block', 'hidden', 'two-block', 'closure', 'tensor'] as const),
    route: readChoice(fields.route, at('route'), ['factor', 'unfolded', 'dense', null] as const),
    law: await readLaw(fields.law, at('law'), pacer),
    ...(fields.degrees !== undefined && { degrees: readChoice(fields.degrees, at('degrees'), [true] as const) }),
  };
}

const METHODS = { gaussian: ['exact', 'closure', 'sampled'], tensor: ['exact'] } as const;

async function readLaw(value: unknown, where: string, pacer: Pacer): Promise<LawOfInputs> {
  if (typeof value === 'object' && value !== null && 'onehot' in value) {
    const { onehot } = readFields(value, where, ['onehot']);
    return { onehot: readWhole(onehot, `${where}.onehot`, 1) };
  }
  const { sigma, mean, factor } = readFields(value, where, ['sigma'], ['mean', 'factor']);
  if (!(typeof sigma === 'number' && sigma > 0 && Number.isFinite(sigma))) throw wrong(`${where}.sigma`, 'positive');
  const numbers = async (text: unknown, place: string) => {
    const read = await readDoubles(text, place, doublesIn(text, place), pacer);
    for (const number of read)
      if (!Number.isFinite(number)) throw new TensimError('NOT_FINITE', `${place} is not finite`);
    return read;
  };
  if (factor === undefined) return { sigma, ...(mean !== undefined && { mean: await numbers(mean, `${where}.mean`) }) };
  const fields = readFields(factor, `${where}.factor`, ['columns', 'data']);
  const columns = readWhole(fields.columns, `${where}.factor.columns`, 0);
  return {
    sigma,
    ...(mean !== undefined && { mean: await numbers(mean, `${where}.mean`) }),
    factor: { columns, data: columns === 0 ? new Float64Array(0) : await numbers(fields.data, `${where}.factor.data`) },
  };
}

/** @throws TensimError `BACKEND_UNAVAILABLE` where the products of this process would have other bits than the job wants. */
export function checkArithmetic({ arithmetic, backend }: Common, grams: Pick<Grams, 'arithmetic'>): void {
  if (arithmetic === undefined || arithmetic === grams.arithmetic) return;
  const own = grams.arithmetic ?? 'none by name';
  throw new TensimError(
    'BACKEND_UNAVAILABLE',
    `the job is for the instructions ${quote(arithmetic)}, and the backend "${backend}" takes ${own} here: the bits would differ`,
    { hint: 'Set TENSIM_CPU to the same, which all have, on every machine' },
  );
}

/** @throws TensimError `SHAPE_MISMATCH` for a law that is not one of so many inputs. */
export function checkLaw(law: SampledLaw, inputs: number): void {
  if (law === 'tokens') return;
  const fits = isOnehot(law)
    ? law.onehot === inputs
    : (law.mean?.length ?? inputs) === inputs && (law.factor?.data.length ?? 0) === (law.factor?.columns ?? 0) * inputs;
  if (!fits) throw new TensimError('SHAPE_MISMATCH', `the law of the job is not one of ${inputs} inputs`);
}
