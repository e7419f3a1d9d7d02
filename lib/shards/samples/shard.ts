import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { ranked } from '../../similarity/gram/numbering.js';
import { checkSurrogates } from '../../similarity/jobs/run.js';
import { readDraws, readSurrogates, writeDraws, writeSurrogates } from '../../similarity/jobs/samples.js';
import { KeptModels, roomToKeep } from '../../similarity/members/kept.js';
import type { Member } from '../../similarity/members/members.js';
import { sourceOf } from '../../similarity/members/source.js';
import { knownOf } from '../../similarity/sampled/basis.js';
import { inOwnOrder } from '../../similarity/sampled/ensemble.js';
import { Group } from '../../similarity/sampled/group.js';
import { GROUPS } from '../../similarity/sampled/jackknife.js';
import { decideOn, degreeOf, inputsAfter, openSite, type Site } from '../../similarity/sampled/sampled.js';
import { LocalSampler } from '../../similarity/sampled/sampler.js';
import type { SampleSettings } from '../../similarity/sampled/settings.js';
import { batchesOf, evaluateBatches, inputsOf, type Stage, stageOf } from '../../similarity/sampled/stage.js';
import { plainly } from '../../similarity/terms/plain.js';
import type { ReadModel } from '../header.js';
import { openPlaces } from '../subject.js';
import type { ShardChoice, ShardResult, ShardSampling } from '../terms.js';
import { foundIn, stageAfter } from './found.js';
import { type SampledHeader, sizeIn } from './header.js';
import { checkShards, groupsOf, type SampledMatrix, sampledSetting, sizeOf } from './matrix.js';
import { partsBeside, SampledFile, type SampledPart } from './part_file.js';
import type { KeptStage } from './records.js';

/** A group that is at work is kept as far as it is when so many milliseconds have passed. */
const KEEP_EVERY = 30_000;

/**
 * Computes the groups of samples that are a shard's into its state file: all models on them, to the bits of one run. What
 * one run decides before, from samples of their own, every shard decides anew, unless it finds it beside its file. Where
 * the tolerance decides whether more samples are drawn, it goes on only if all groups are in files beside its own.
 */
export async function sampledShard(matrix: SampledMatrix, shard: ShardChoice, state: string): Promise<ShardResult> {
  const { subject, comparison, settings, pairs } = matrix;
  checkShards(shard.count, sizeOf(matrix));
  const places = [...subject.paths.keys()];
  const members = await openPlaces(subject, places, new KeptModels(roomToKeep(settings)), settings);
  const found = await ranked(members);
  const different = await inOwnOrder(found.members);
  const numbers = Array.from(found.numbers, (number) => different.indexOf(found.members[number]));
  const own: SampleSettings = { ...comparison.settings, memoryLimit: settings.memoryLimit };
  const site = await openSite(found.members, different, comparison.law, own);
  try {
    const header = headerOf(matrix, shard, site, numbers, await readModels(members, different, numbers));
    const file = await SampledFile.open(state, header);
    try {
      const sampling = await new Sampling(site, comparison, own, file, groupsOf(shard.index - 1, shard.count)).run();
      const { measure, method, route, dtype, tf32, backend } = comparison.info;
      return plainly({
        kind: 'shard' as const,
        shard,
        state,
        ...{ measure, method, route, dtype, ...(tf32 && { tf32 }), backend },
        models: subject.paths.length,
        files: new Set(subject.paths).size,
        pairs,
        reused: sampling.reused === sampling.groups ? pairs : 0,
        prepared: different.length,
        discarded: file.discarded,
        sampling,
      });
    } finally {
      await file.close();
    }
  } finally {
    site.dispose();
  }
}

async function readModels(
  members: readonly Member[],
  different: readonly Member[],
  numbers: readonly number[],
): Promise<ReadModel[]> {
  const identities: string[] = [];
  for (const member of different) identities.push(await member.identity());
  return members.map((member, place) => [place, identities[numbers[place]], sourceOf(member.outline)]);
}

function headerOf(
  { subject: { extent, labels, order }, comparison }: SampledMatrix,
  { index, count }: ShardChoice,
  { ensemble }: Site,
  evaluated: readonly number[],
  models: readonly ReadModel[],
): SampledHeader {
  const { settings, names } = comparison;
  const { passedOver: _, ...info } = comparison.info;
  const { tokenModels, inputSize, positions, outputs } = ensemble;
  const { perOutput, seed, tolerance, maxSamples } = settings;
  return {
    schema: 'tensim.sampled-part/1',
    ...{ index, count },
    matrix: { ...extent, labels, ...(order && { order }), evaluated },
    setting: sampledSetting(comparison),
    ...{ info, names, perOutput, seed, tolerance, maxSamples },
    shape: { tokenModels, inputSize, positions, outputs },
    models,
  };
}

/** How a shard samples: stage after stage, as far as it can tell that there is one. */
class Sampling {
  readonly #site: Site;
  readonly #executor: LocalSampler;
  readonly #comparison: SampledMatrix['comparison'];
  readonly #settings: SampleSettings;
  readonly #file: SampledFile;
  readonly #groups: readonly number[];
  readonly #pacer: Pacer;
  #reused = 0;

  constructor(
    site: Site,
    comparison: SampledMatrix['comparison'],
    settings: SampleSettings,
    file: SampledFile,
    groups: readonly number[],
  ) {
    this.#site = site;
    this.#executor = new LocalSampler(site.ensemble, site.drawsOf, settings);
    this.#comparison = comparison;
    this.#settings = settings;
    this.#file = file;
    this.#groups = groups;
    this.#pacer = new Pacer(settings.signal);
  }

  async run(): Promise<ShardSampling> {
    const file = this.#file;
    for (;;) {
      const next = await this.#nextStage();
      if (next !== null) await file.keepStage(next);
      const stage = file.stage!;
      await this.#draw(stage);
      const told = { samples: inputsOf(stage), groups: this.#groups.length, of: GROUPS, reused: this.#reused };
      if (stage.inputs === file.header.maxSamples) return { ...told, open: false };
      const alike = (await this.#beside()).filter(({ digest }) => digest === file.digest);
      const { path, header, digest } = file;
      const parts = [{ path, header, stage, digest }, ...alike];
      const { estimate, missing } = await foundIn(parts, header.matrix.evaluated, this.#settings.signal);
      if (missing.length > 0) {
        // Who has gone on meanwhile has found them all.
        if ((await this.#nextStage()) === null) return { ...told, open: true };
        continue;
      }
      const after = await stageAfter(await estimate.finish(), stage, header);
      if (after === null) return { ...told, open: false };
      await file.keepStage(after);
    }
  }

  #beside(): Promise<SampledPart[]> {
    return partsBeside(this.#file.path, this.#file.header);
  }

  /** The last stage that any part beside this one is at; the first, where none is at any; null: this one is at it. */
  async #nextStage(): Promise<KeptStage | null> {
    const at = this.#file.stage?.number ?? 0;
    const others = (await this.#beside()).map(({ stage }) => stage);
    const last = others.sort((a, b) => b.number - a.number)[0];
    if (last !== undefined && last.number > at) return last;
    return at === 0 ? this.#first() : null;
  }

  /** The first stage of the result, decided by samples of their own. */
  async #first(): Promise<KeptStage> {
    const { first, specOf, variates } = await decideOn(
      { ...this.#site, executor: this.#executor },
      this.#comparison.law,
      this.#settings,
    );
    const inputs = inputsAfter(first, this.#settings);
    const { draws, most } = stageOf(this.#site.ensemble, this.#executor, specOf(1), inputs, variates, true);
    return {
      number: 1,
      ...{ inputs, most, draws: await writeDraws(draws, this.#pacer) },
      ...(variates && { surrogates: await writeSurrogates(variates.surrogates, this.#pacer) }),
      varianceRatio: variates?.varianceRatio ?? null,
      basis: await first.basis(),
    };
  }

  async #draw(kept: KeptStage): Promise<void> {
    const { onProgress } = this.#settings;
    const lacking = this.#groups.filter((group) => !this.#file.hasAll(group));
    this.#reused = this.#groups.length - lacking.length;
    if (lacking.length === 0) return;
    const stage = await this.#stageOf(kept);
    const size = sizeIn(this.#file.header);
    const known = knownOf(kept.basis, size.functions, size.models);
    const total = (inputsOf(stage) / GROUPS) * this.#groups.length;
    let done = (inputsOf(stage) / GROUPS) * this.#reused;
    const report = onProgress && throttle((reached, all) => onProgress({ phase: 'sample', done: reached, total: all }));
    for (const group of lacking) {
      const begun = this.#file.begun(group);
      const sum = new Group(size, known, begun);
      const batches = batchesOf(stage, group);
      for (let passed = 0; passed < (begun?.batches ?? 0); passed++) batches.next();
      done += begun?.count ?? 0;
      let last = performance.now();
      await evaluateBatches(batches, this.#executor, this.#settings, async (_, sums) => {
        await sum.add(sums, this.#pacer);
        done += sums.count;
        report?.(Math.min(done, total), total);
        if (performance.now() - last < KEEP_EVERY) return;
        await this.#file.keepGroup({ stage: kept.number, group, state: sum.state() });
        last = performance.now();
      });
      if (!this.#file.hasAll(group)) await this.#file.keepGroup({ stage: kept.number, group, state: sum.state() });
    }
  }

  /** The samples of a stage that was kept. */
  async #stageOf({ inputs, most, draws, surrogates }: KeptStage): Promise<Stage> {
    const { whitening, ensemble } = this.#site;
    const spec = (await readDraws(draws, this.#pacer))(whitening?.dimension ?? 0);
    const { perOutput } = this.#settings;
    const of = surrogates && (await readSurrogates(surrogates, ensemble.count, perOutput, this.#pacer));
    checkSurrogates(
      of ?? null,
      ensemble.members.map(({ outline }) => outline),
    );
    const isOwn =
      (spec.kind === 'tokens') === (whitening === null) &&
      (spec.kind === 'tokens' || spec.proposal.degree === degreeOf(ensemble)) &&
      spec.seed === this.#settings.seed;
    if (!isOwn) {
      throw new TensimError('INVALID_FILE', 'the samples of this state file are not drawn for these models', {
        file: this.#file.path,
        hint: 'Give another path, or delete the file',
      });
    }
    return { draws: spec, inputs, most, watched: true, surrogates: of ?? null };
  }
}
