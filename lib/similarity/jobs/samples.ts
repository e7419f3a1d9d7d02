import { Pacer } from '../../cooperate.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { BatchSums, SampleBatch } from '../sampled/batch.js';
import type { DrawsSpec } from '../sampled/draws.js';
import { GROUPS } from '../sampled/jackknife.js';
import { watchedPairs } from '../sampled/monitor.js';
import { MOST_AT_ONCE } from '../sampled/stage.js';
import type { Surrogate, Surrogates } from '../sampled/surrogate.js';
import {
  doublesIn,
  readChoice,
  readDoubles,
  readFields,
  readFlag,
  readList,
  readWhole,
  writeNumbers,
  wrong,
} from './fields.js';
import { type ModelFile, readModel, writeModel } from './models.js';
import { type LawText, readSetting, type SampleSetting, type Setting } from './setting.js';

/** Some samples of a stage, to be evaluated anywhere: plain JSON. */
export interface SampleJob {
  readonly schema: 'tensim.samples/1';
  readonly setting: Setting<LawText>;
  /** All that are compared, in the order in which they are evaluated. */
  readonly models: readonly ModelFile[];
  readonly draws: DrawsText;
  readonly first: number;
  readonly samples: number;
  readonly group: number;
  readonly watched: boolean;
  /** As `Surrogates`, with arrays in base64; absent: there are none. */
  readonly surrogates?: SurrogatesText;
}

export interface SurrogatesText {
  readonly of: readonly ({ readonly weight: string; readonly bias: string } | 'self' | null)[];
  readonly total: string;
  readonly perOutput?: string;
}

/** As `DrawsSpec`, with arrays in base64; the dimension of z follows from the law and the models. */
export type DrawsText =
  | { readonly kind: 'tokens'; readonly seed: number; readonly stage: number }
  | {
      readonly kind: 'vectors';
      readonly seed: number;
      readonly stage: number;
      readonly antithetic: boolean;
      readonly degree: number;
      readonly directions: { readonly basis: string; readonly variances: string } | null;
    };

/** What a batch adds to the estimate, to the bit: numbers in base64. */
export interface SampleResult {
  readonly schema: 'tensim.samples-result/1';
  readonly count: number;
  readonly lost: number;
  readonly exponents: readonly number[];
  readonly total: string;
  readonly perOutput?: string;
  /** What every sample adds: (count, models, slices), and of watched pairs (count, pairs, slices). */
  readonly squares: string;
  readonly products: string;
  /** With surrogates: (count, models, slices), what every sample adds to the estimates of squares. */
  readonly controlled?: string;
}

/** A job as it is run: with arrays as numbers. */
export interface ReadSampleJob {
  readonly setting: SampleSetting<LawOfInputs>;
  readonly models: readonly ModelFile[];
  /** The draws of the batch, once the dimension of z is known. */
  batch(dimension: number): SampleBatch;
}

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for a model that is not in a file. */
export async function writeSampleJob(
  setting: Setting<LawText>,
  members: readonly Member[],
  { draws, surrogates, ...batch }: SampleBatch,
): Promise<SampleJob> {
  const pacer = new Pacer();
  return {
    schema: 'tensim.samples/1',
    setting,
    models: await Promise.all(members.map(writeModel)),
    draws: await writeDraws(draws, pacer),
    ...batch,
    ...(surrogates && { surrogates: await writeSurrogates(surrogates, pacer) }),
  };
}

export async function writeSurrogates({ of, total, perOutput }: Surrogates, pacer: Pacer): Promise<SurrogatesText> {
  const texts: SurrogatesText['of'][number][] = [];
  for (const surrogate of of) {
    if (surrogate === null || surrogate === 'self') texts.push(surrogate);
    else {
      const { weight, bias } = surrogate;
      texts.push({ weight: await writeNumbers(weight, pacer), bias: await writeNumbers(bias, pacer) });
    }
  }
  return {
    of: texts,
    total: await writeNumbers(total, pacer),
    ...(perOutput && { perOutput: await writeNumbers(perOutput, pacer) }),
  };
}

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for what `writeSurrogates` does not write of so many models. */
export async function readSurrogates(
  value: unknown,
  models: number,
  perOutput: boolean,
  pacer: Pacer,
): Promise<Surrogates> {
  const names = ['of', 'total', ...(perOutput ? ['perOutput'] : [])];
  const fields = readFields(value, 'surrogates', names);
  const numbers = (text: unknown, where: string) => readDoubles(text, where, doublesIn(text, where), pacer);
  const texts = readList(fields.of, 'surrogates.of', (one, where) => {
    if (one === null || one === 'self') return { where, text: one };
    return { where, text: readFields(one, where, ['weight', 'bias']) };
  });
  if (texts.length !== models) throw wrong('surrogates.of', 'one for every model');
  const of: Surrogate[] = [];
  for (const { where, text } of texts) {
    if (text === null || typeof text === 'string') of.push(text as 'self' | null);
    else {
      const weight = await numbers(text.weight, `${where}.weight`);
      of.push({ weight, bias: await numbers(text.bias, `${where}.bias`) });
    }
  }
  const total = await readDoubles(fields.total, 'surrogates.total', models * models, pacer);
  return { of, total, perOutput: perOutput ? await numbers(fields.perOutput, 'surrogates.perOutput') : null };
}

export async function writeDraws(spec: DrawsSpec, pacer: Pacer): Promise<DrawsText> {
  if (spec.kind === 'tokens') return spec;
  const { proposal, ...others } = spec;
  const { degree, directions } = proposal;
  const basis = directions && (await writeNumbers(directions.basis, pacer));
  const variances = directions && (await writeNumbers(directions.variances, pacer));
  return { ...others, degree, directions: basis === null || variances === null ? null : { basis, variances } };
}

/** Samples are counted in 32 bits. */
const MOST_SAMPLES = 2 ** 32 - MOST_AT_ONCE;
/** Every kind of stream has so many stages. */
const STAGES = 16;

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for what is no such job; `NOT_FINITE`. */
export async function readSampleJob(value: unknown, pacer = new Pacer()): Promise<ReadSampleJob> {
  const names = ['schema', 'setting', 'models', 'draws', 'first', 'samples', 'group', 'watched'];
  const fields = readFields(value, 'the job', names, ['surrogates']);
  readChoice(fields.schema, 'schema', ['tensim.samples/1'] as const);
  const setting = await readSetting(fields.setting, 'setting', pacer);
  if (setting.method !== 'sampled') throw wrong('setting.method', '"sampled"');
  const draws = await readDraws(fields.draws, pacer);
  const isTokens = setting.law === 'tokens';
  const models = readList(fields.models, 'models', readModel);
  const surrogates =
    fields.surrogates === undefined
      ? null
      : await readSurrogates(fields.surrogates, models.length, setting.perOutput, pacer);
  const rest = {
    first: readWhole(fields.first, 'first', 0, MOST_SAMPLES),
    samples: readWhole(fields.samples, 'samples', 1, MOST_AT_ONCE),
    group: readWhole(fields.group, 'group', 0, GROUPS - 1),
    watched: readFlag(fields.watched, 'watched'),
  };
  return {
    setting,
    models,
    batch: (dimension) => {
      const own = draws(dimension);
      if ((own.kind === 'tokens') !== isTokens) throw wrong('draws.kind', 'that of the law');
      return { draws: own, ...rest, surrogates };
    },
  };
}

/**
 * @returns draws whose z have a dimension.
 * @throws TensimError (rejects) `INVALID_ARGUMENT` for what `writeDraws` does not write.
 */
export async function readDraws(value: unknown, pacer: Pacer): Promise<(dimension: number) => DrawsSpec> {
  const optional = ['antithetic', 'degree', 'directions'];
  const all = readFields(value, 'draws', ['kind', 'seed', 'stage'], optional);
  const kind = readChoice(all.kind, 'draws.kind', ['tokens', 'vectors'] as const);
  const seed = readWhole(all.seed, 'draws.seed', 0);
  const stage = readWhole(all.stage, 'draws.stage', 0, STAGES - 1);
  if (kind === 'tokens') {
    readFields(value, 'draws', ['kind', 'seed', 'stage']);
    return () => ({ kind, seed, stage });
  }
  const fields = readFields(value, 'draws', ['kind', 'seed', 'stage', ...optional]);
  const antithetic = readFlag(fields.antithetic, 'draws.antithetic');
  const degree = readWhole(fields.degree, 'draws.degree', 0);
  if (fields.directions === null) {
    return (dimension) => ({ kind, seed, stage, antithetic, proposal: { dimension, degree, directions: null } });
  }
  const texts = readFields(fields.directions, 'draws.directions', ['basis', 'variances']);
  const numbers = (name: string) => {
    const where = `draws.directions.${name}`;
    return readDoubles(texts[name], where, doublesIn(texts[name], where), pacer);
  };
  const directions = { basis: await numbers('basis'), variances: await numbers('variances') };
  return (dimension) => {
    const fits = directions.basis.length === directions.variances.length * dimension;
    if (!fits) throw wrong('draws.directions.basis', `vectors of ${dimension} numbers`);
    return { kind, seed, stage, antithetic, proposal: { dimension, degree, directions } };
  };
}

/** What there is of a batch: models, those of them that are watched in pairs, and slices. */
export interface SampleShape {
  readonly models: number;
  /** 1, or with every output 1 + o. */
  readonly slices: number;
  readonly watched: boolean;
}

const pairsOf = ({ models, watched }: SampleShape): number => (watched ? watchedPairs(models).length : 0);

export async function writeSums(sums: BatchSums, shape: SampleShape, pacer = new Pacer()): Promise<SampleResult> {
  const { count, lost, exponents, tile, products } = sums;
  const { models, slices } = shape;
  const pairs = pairsOf(shape);
  const squares = new Float64Array(count * models * slices);
  const all = new Float64Array(count * pairs * slices);
  const controlled = products.controlled === undefined ? undefined : new Float64Array(squares.length);
  for (let s = 0; s < count; s++) {
    products.squares(s, squares.subarray(s * models * slices, (s + 1) * models * slices));
    products.controlled?.(s, controlled!.subarray(s * models * slices, (s + 1) * models * slices));
    for (let p = 0; p < pairs; p++) {
      const at = (s * pairs + p) * slices;
      products.product(s, p, all.subarray(at, at + slices));
    }
    if (pacer.due((models + pairs) * products.width)) await pacer.pause();
  }
  return {
    schema: 'tensim.samples-result/1',
    ...{ count, lost, exponents },
    total: await writeNumbers(tile.total, pacer),
    ...(tile.perOutput && { perOutput: await writeNumbers(tile.perOutput, pacer) }),
    squares: await writeNumbers(squares, pacer),
    products: await writeNumbers(all, pacer),
    ...(controlled && { controlled: await writeNumbers(controlled, pacer) }),
  };
}

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for what is no result, or of another batch. */
export async function readSums(value: unknown, shape: SampleShape, pacer = new Pacer()): Promise<BatchSums> {
  const { models, slices } = shape;
  const pairs = pairsOf(shape);
  const cells = (models === 2 ? 3 : models) ** 2;
  const names = ['schema', 'count', 'lost', 'exponents', 'total', 'squares', 'products'];
  const fields = readFields(value, 'the result', slices > 1 ? [...names, 'perOutput'] : names, ['controlled']);
  readChoice(fields.schema, 'schema', ['tensim.samples-result/1'] as const);
  const count = readWhole(fields.count, 'count', 1, 2 * MOST_AT_ONCE);
  const exponents = readList(fields.exponents, 'exponents', (one, where) => readWhole(one, where, -(2 ** 30), 2 ** 30));
  if (exponents.length !== models) throw wrong('exponents', 'one for every model');
  const squares = await readDoubles(fields.squares, 'squares', count * models * slices, pacer);
  const controlled =
    fields.controlled === undefined
      ? undefined
      : await readDoubles(fields.controlled, 'controlled', count * models * slices, pacer);
  const products = await readDoubles(fields.products, 'products', count * pairs * slices, pacer);
  const perOutput =
    slices > 1 ? await readDoubles(fields.perOutput, 'perOutput', cells * (slices - 1), pacer) : undefined;
  return {
    count,
    lost: readWhole(fields.lost, 'lost', 0, count),
    exponents,
    tile: { total: await readDoubles(fields.total, 'total', cells, pacer), ...(perOutput && { perOutput }) },
    products: {
      count,
      width: slices,
      squares: (s, into) => into.set(squares.subarray(s * models * slices, (s + 1) * models * slices)),
      controlled:
        controlled && ((s, into) => into.set(controlled.subarray(s * models * slices, (s + 1) * models * slices))),
      product: (s, p, into) => into.set(products.subarray((s * pairs + p) * slices, (s * pairs + p + 1) * slices)),
    },
  };
}
