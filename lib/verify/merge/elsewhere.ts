import type { Adapter } from '../../adapters/adapter.js';
import { readDelta } from './delta.js';
import type { Judged } from './judge.js';
import type { Reading } from './measure.js';
import { layerOf } from './names.js';
import type { Task } from './plan.js';
import { matrixOf } from './rows.js';
import { type Candidate, type Found, whoseChange } from './whose.js';

/** Tensors in vain for which it is looked where their change comes from, one after the other. */
const MOST_IN_VAIN = 8;
/** Changes that are tried at a time: their factors are in memory. */
const AT_A_TIME = 16;

/** Looks whether tensors that are wrong have got the change of another, or their own in another place. */
export async function lookElsewhere(
  judged: readonly Judged[],
  adapters: readonly Adapter[],
  reading: Reading,
  signal: AbortSignal | undefined,
): Promise<void> {
  const changing = judged.map(({ task }) => task).filter(({ changes }) => changes.length > 0);
  let inVain = 0;
  for (const one of judged) {
    if (one.state !== 'different' || !one.finite) continue;
    if (inVain === MOST_IN_VAIN) return;
    one.found = await foundAmong(one.task, likelyFirst(one.task, changing), adapters, reading, signal);
    inVain = one.found === undefined ? inVain + 1 : 0;
  }
}

async function foundAmong(
  task: Task,
  others: readonly Task[],
  adapters: readonly Adapter[],
  reading: Reading,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  for (let from = 0; from < others.length; from += AT_A_TIME) {
    const candidates: Candidate[] = [];
    for (const { base, changes, turned } of others.slice(from, from + AT_A_TIME))
      candidates.push({ tensor: base.name, delta: await readDelta(changes, adapters, turned, signal) });
    const found = await whoseChange(task, task.base.name, candidates, reading);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Changes that fit into a tensor: its own, those of its layer, those of tensors of its name in other layers, the others. */
function likelyFirst({ base }: Task, changing: readonly Task[]): Task[] {
  const extents = matrixOf(base);
  const inAnyLayer = (name: string) => name.replace(/(^|\.)\d+(?=\.)/, '$1#');
  const rank = (task: Task): number => {
    if (task.base === base) return 0;
    if (layerOf(task.base.name) === layerOf(base.name)) return 1;
    return inAnyLayer(task.base.name) === inAnyLayer(base.name) ? 2 : 3;
  };
  return changing
    .filter(({ changes: [{ module }] }) => extents.includes(module.inputs))
    .sort((one, other) => rank(one) - rank(other));
}
