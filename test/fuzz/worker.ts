// The process that reads the inputs: scripts/campaigns/fuzz.mjs builds it with counters in lib, starts it, and starts
// it again when an input has ended it.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fuzzing, Journal } from './engine/campaign.js';
import { readCorpus, readFixtures, writeCorpus } from './engine/corpus.js';
import { branchesSeen } from './engine/coverage.js';
import { listenForStrays, observe } from './engine/observe.js';
import { root } from './targets/root.js';
import { OPEN, TARGETS, targetsCalled } from './targets/table.js';

/** What the campaign tells its worker. */
interface Orders {
  readonly seed: number;
  /** How long to go on. */
  readonly milliseconds: number;
  /** Inputs of each target, and then it ends. */
  readonly executions: number;
  readonly guided: boolean;
  readonly filter: string;
  /** In a file system in memory. */
  readonly folder: string;
  readonly journal: string;
  /** Whether the corpora in the tree are to be made anew of what is known in the end. */
  readonly keep: boolean;
  /** A saved input, to be read and nothing else. */
  readonly repeat?: string;
}

/** As scripts/campaigns/fuzz.mjs has it. */
const EXIT_FAULT = 70;
const CORPUS = join(root, 'test', 'fuzz', 'corpus');
const FIXTURES = join(root, 'test', 'fuzz', 'fixtures');
/** What this machine has found, beside what is in the tree. */
const LEARNED = join(root, 'build', 'fuzz', 'corpus');
/** Of a corpus in the tree, in bytes. */
const MOST_IN_TREE = 6_000;
/** How long a target is read before it is the turn of the next. */
const TURN_MILLISECONDS = 2000;

// Which takes longer than small matrices do, and is none of what is fuzzed.
const available = process.availableMemory();
process.availableMemory = () => available;

const orders = JSON.parse(process.argv[2]) as Orders;
const until = performance.now() + orders.milliseconds;
const journal = new Journal(orders.journal);
listenForStrays();
try {
  await (orders.repeat === undefined ? fuzz() : repeat(orders.repeat));
} catch (error) {
  // A fault of the campaign itself, not of what it reads.
  console.error(error);
  process.exit(EXIT_FAULT);
}
process.exit(0);

async function fuzz(): Promise<void> {
  mkdirSync(LEARNED, { recursive: true });
  const all: Fuzzing[] = [];
  for (const target of targetsCalled(orders.filter)) {
    if (!orders.guided && OPEN.has(target.name)) continue;
    const known = [
      ...readCorpus(join(CORPUS, `${target.name}.txt`)),
      ...readFixtures(FIXTURES, target.name).map(({ input }) => input),
      ...(orders.guided ? readCorpus(join(LEARNED, `${target.name}.txt`)) : []),
    ];
    all.push(await Fuzzing.of(target, known, { ...orders, journal }));
    tell(all);
  }
  let left = true;
  while (left && performance.now() < until) {
    left = false;
    for (const fuzzing of all) {
      const end = Math.min(until, performance.now() + TURN_MILLISECONDS);
      let due = 0;
      await fuzzing.run((executions) => {
        if (performance.now() > due) {
          tell(all);
          due = performance.now() + 500;
        }
        const enough = fuzzing.tally.executions >= orders.executions;
        return enough || (executions % 16 === 0 && performance.now() >= end);
      });
      if (fuzzing.tally.executions < orders.executions) left = true;
    }
  }
  if (orders.guided)
    for (const { target, corpus } of all) writeCorpus(join(LEARNED, `${target.name}.txt`), corpus.inputs);
  tell(all);
  if (!orders.keep) return;
  mkdirSync(CORPUS, { recursive: true });
  for (const fuzzing of all)
    writeCorpus(join(CORPUS, `${fuzzing.target.name}.txt`), await fuzzing.essence(MOST_IN_TREE));
}

/** Tells the campaign how far it is: also that it is alive. */
function tell(all: readonly Fuzzing[]): void {
  const found = all.flatMap((fuzzing) => [...fuzzing.found.values()]);
  process.send?.({
    tallies: all.map(({ tally }) => tally),
    branches: branchesSeen(),
    found: found.map(({ input, ...others }) => ({ ...others, input: Buffer.from(input).toString('base64') })),
  });
}

/** The target of a saved input is the folder that it is in. */
async function repeat(file: string): Promise<void> {
  const target = TARGETS.find(({ name }) => file.split(/[\\/]/).at(-2) === name);
  if (target === undefined || !existsSync(file)) throw new Error(`${file} is no input in the folder of a target`);
  const folder = join(orders.folder, target.name);
  mkdirSync(folder);
  const { read } = await target.prepare(folder);
  const outcome = await observe(target, read, readFileSync(file), true);
  console.log(outcome);
  if (outcome.kind === 'found') process.exit(1);
}
