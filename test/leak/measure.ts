// Does one thing over and over, and prints what the process holds in between, a line of JSON each time:
//
//     node --expose-gc build/leak/measure.mjs '{"scenario":"loads","backend":"native","rounds":4000,"folder":"FOLDER"}'

import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { SCENARIOS } from './scenarios.js';
import type { Held, Task } from './verdict.js';

const { scenario, backend, rounds, folder } = JSON.parse(process.argv[2]) as Task;
const act = await SCENARIOS[scenario](folder, backend);
/** The first is a beginning: code is compiled, pools are filled. */
const PARTS = 5;
for (let part = 0, round = 0; part < PARTS; part++) {
  for (; round < ((part + 1) * rounds) / PARTS; round++) await act(round);
  console.log(JSON.stringify(await held()));
}
process.exit(0);

async function held(): Promise<Held> {
  // What is let go in a finaliser is there for another turn.
  for (let turn = 0; turn < 4; turn++) {
    (globalThis as { gc?: () => void }).gc!();
    await setTimeout(10);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    heap: heapUsed,
    external,
    rss,
    // Reading the folder takes one itself, every time.
    files: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    handles: process.getActiveResourcesInfo().length,
    listeners: process.eventNames().reduce((count, name) => count + process.listenerCount(name), 0),
  };
}
