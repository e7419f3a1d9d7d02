import { INTERVAL } from '../../lib/similarity/sampled/jackknife.js';
import { cell, formatTable, median } from '../support.js';
import { errorIn, type Trial } from './campaign.js';

/** What trials of one kind, or of all, come to. */
export interface Summary {
  readonly trials: number;
  readonly reached: number;
  /** Sampled beside surrogates. */
  readonly surrogates: number;
  /** Of those reached: the truth is not in the 95 % interval; is more than five standard errors away. */
  readonly outside: number;
  readonly far: number;
  /** The same for outputs. */
  readonly slices: number;
  readonly slicesOutside: number;
  readonly slicesFar: number;
  readonly wrongPasses: number;
  readonly meanSamples: number;
  /** Samples that plain sampling takes for one of these: the median of those reached. */
  readonly saved: number;
  readonly meanSeconds: number;
}

const FAR = 5;

export function summarise(trials: readonly Trial[]): Summary {
  const reached = trials.filter((trial) => trial.reached);
  const errors = reached.map(({ value, truth, standardError }) => errorIn(value, truth, standardError));
  const slices = trials.flatMap((trial) => trial.slices);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const savings = reached.map(({ plain, samples }) => plain / samples).filter((value) => !Number.isNaN(value));
  return {
    trials: trials.length,
    reached: reached.length,
    surrogates: trials.filter((trial) => trial.surrogates).length,
    outside: errors.filter((error) => !(error <= INTERVAL)).length,
    far: errors.filter((error) => !(error <= FAR)).length,
    slices: slices.length,
    slicesOutside: slices.filter((error) => !(error <= INTERVAL)).length,
    slicesFar: slices.filter((error) => !(error <= FAR)).length,
    wrongPasses: trials.reduce((sum, trial) => sum + trial.wrongPasses, 0),
    meanSamples: mean(trials.map(({ samples }) => samples)),
    saved: savings.length === 0 ? Number.NaN : median(savings),
    meanSeconds: mean(trials.map(({ seconds }) => seconds)),
  };
}

/**
 * Most of those reached that intervals of 95 % leave outside: of 5 % expected at most, more than this is seen once in a
 * thousand times.
 */
export const mostOutside = (reached: number): number => 0.05 * reached + 3.1 * Math.sqrt(0.05 * reached) + 1;

/** Whether intervals cover at their rate, no estimate is far off, and no gate passes wrongly. */
export function covers({ reached, outside, far, slicesFar, wrongPasses }: Summary): boolean {
  return outside <= mostOutside(reached) && far === 0 && slicesFar === 0 && wrongPasses === 0;
}

export function coverageTable(trials: readonly Trial[]): string {
  const names = [...new Set(trials.map(({ kind }) => kind))];
  const rows = names.map((name) => row(name, summarise(trials.filter(({ kind }) => kind === name))));
  const head = ['kind', 'networks', 'surrogates', 'reached', 'outside', '> 5 s.e.', 'outputs', 'outside', '> 5 s.e.'];
  const more = ['wrong passes', 'mean samples', 'plain ÷ these', 'ms'];
  return formatTable([...head, ...more], [...rows, row('all', summarise(trials))]);
}

function row(name: string, summary: Summary): string[] {
  const share = (part: number, whole: number) => (whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`);
  return [
    name,
    String(summary.trials),
    share(summary.surrogates, summary.trials),
    share(summary.reached, summary.trials),
    share(summary.outside, summary.reached),
    String(summary.far),
    String(summary.slices),
    share(summary.slicesOutside, summary.slices),
    String(summary.slicesFar),
    String(summary.wrongPasses),
    summary.meanSamples.toFixed(0),
    cell(summary.saved),
    cell(1000 * summary.meanSeconds),
  ];
}

export const LEGEND =
  'outside: the truth is not in the 95 % interval, of those that say they reached the tolerance; wrong passes: gates that pass below their limit.';
