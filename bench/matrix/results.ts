import { cell, formatTable, timeCell } from '../support.js';
import { shapeName } from './grid.js';
import type { Outcome, Time } from './measure.js';

/** A row per contestant of every cell. */
export function outcomesTable(outcomes: readonly Outcome[]): string {
  const head = [
    'N',
    '(d, h, o)',
    'dtype',
    'contestant',
    'time',
    'prepare',
    'pairs/s',
    'GFLOP/s',
    '% of peak',
    'planner',
  ];
  return formatTable(
    [...head, '× loop', '× stacked'],
    outcomes.flatMap((outcome) =>
      outcome.times.map((time) => [
        String(outcome.count),
        shapeName(outcome.shape),
        outcome.dtype,
        time.contestant,
        `${timeCell(time.seconds)}${time.measured < outcome.count ? '*' : ''}`,
        time.prepare > 0 ? timeCell(time.prepare) : '',
        time.pairsPerSecond >= 1e4 ? time.pairsPerSecond.toExponential(2) : cell(time.pairsPerSecond),
        cell(time.gflops),
        cell(time.percentOfPeak),
        plannerCell(outcome, time),
        timesPeer(outcome, time, 'loop'),
        timesPeer(outcome, time, 'stacked'),
      ]),
    ),
  );
}

function plannerCell({ plans }: Outcome, { contestant }: Time): string {
  const plan = plans.find(({ backend, route }) => contestant === `${backend} ${route}`);
  if (plan === undefined) return '';
  return plan.timesBest === 1 ? 'best' : `best × ${plan.timesBest.toFixed(2)}`;
}

/** How many times as long the quicker peer of a kind takes. */
function timesPeer({ times }: Outcome, { contestant, seconds }: Time, kind: 'loop' | 'stacked'): string {
  const isPeer = (name: string) => /^(numpy|torch) /.test(name);
  if (isPeer(contestant)) return '';
  const peers = times.filter((time) => isPeer(time.contestant) && time.contestant.endsWith(kind));
  return peers.length === 0 ? '' : cell(Math.min(...peers.map((peer) => peer.seconds)) / seconds);
}

/** In how many cells the planner's route is within 15 % of the best. */
export function plannerSentence(outcomes: readonly Outcome[]): string {
  const plans = outcomes.flatMap((outcome) => outcome.plans);
  const good = plans.filter(({ timesBest }) => timesBest <= 1.15).length;
  const share = ((100 * good) / plans.length).toFixed(0);
  return `the planner's route is within 15 % of the best in ${good} of ${plans.length} cases (${share} %)`;
}

/** What the columns of the table mean. */
export const LEGEND = `time: of the whole matrix of N models, all pairs i ≤ j, with preparation; *: from the measured rates with fewer models
GFLOP/s, % of peak: of the pairs alone, by the flops of the route; peak: of multiply-adds on registers by all threads, or of
  the tensor cores of the GPU, in the same rounds
planner: the route that "auto" takes, and how its time compares with the best route of the same backend
loop: every similarity by itself, three inner products of four h×h products each, in numpy or torch, whichever is quicker
stacked: one model against all later ones stacked, in numpy`;
