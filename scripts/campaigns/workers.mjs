// `npm run campaign -- workers --runs N`: matrices of four workers, of which two are killed at random moments while the
// Redis server is restarted, as an operator does it or as a power cut does. Every matrix must have all bits of one that a
// single process has computed, and no tile may have been begun more than three times.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hasRedis, redisServer } from '../redis.mjs';
import { blockFiles, oneOf, random } from './models.mjs';

const WORKERS = 4;
const KILLS = 2;
/** How often a tile may be begun. */
const MOST_BEGUN = 3;
const MODELS = 40;
const FIELD = { inputs: 384, hidden: 192, outputs: 10 };
/** So that there are about a hundred tiles. */
const TILE_SECONDS = '0.005';
const COMMON = ['matrix', '--json', '--route', 'factor'];
/** Milliseconds that the server may be away. */
const AWAY = 2000;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    program: { type: 'string', default: 'dist/cli.js' },
  },
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
if (!hasRedis) {
  console.log('skipped: there is no redis-server');
  process.exit(0);
}

const draw = random(seed);
const folder = mkdtempSync(join(tmpdir(), 'tensim-workers-'));
const files = blockFiles(folder, MODELS, FIELD, draw);

/** What a result says, but for what tells how long it was expected to take. */
function resultIn(stdout) {
  const result = JSON.parse(stdout);
  for (const estimate of result.estimates ?? []) delete estimate.seconds;
  return JSON.stringify(result);
}

/** A process of the program, with all that it says. */
function begin(args) {
  const child = spawn(process.execPath, [values.program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (text) => (said.out += text));
  child.stderr.on('data', (text) => (said.err += text));
  const ended = new Promise((resolve) => child.on('close', resolve));
  return { child, said, ended };
}

/** The tiles that workers have said this of. */
function tilesOf(workers, word) {
  const tiles = new Map();
  for (const { said } of workers)
    for (const [, tile] of said.err.matchAll(new RegExp(`^${word} tile (\\d+) of`, 'gm')))
      tiles.set(tile, (tiles.get(tile) ?? 0) + 1);
  return tiles;
}

async function trial(expected) {
  const redis = await redisServer();
  const workers = Array.from({ length: WORKERS }, () =>
    begin(['worker', '--queue', redis.url, '--verbose', '--threads', '1']),
  );
  try {
    while (workers.some(({ said }) => !said.err.includes('waits for tiles'))) await wait(20);
    const args = [...COMMON, ...files, '--queue', redis.url, '--tile-seconds', TILE_SECONDS];
    const producer = begin(args);
    const doneSoFar = () => tilesOf(workers, 'done').size;
    const after = async (tiles) => {
      while (doneSoFar() < tiles && producer.child.exitCode === null) await wait(5);
      await wait(40 * draw());
    };
    const alive = [...workers];
    const events = [];
    const killOne = async () => {
      const [victim] = alive.splice(Math.floor(draw() * alive.length), 1);
      victim.child.kill('SIGKILL');
      events.push(`killed a worker at ${doneSoFar()}`);
    };
    const restart = async () => {
      const signal = oneOf(draw, ['SIGTERM', 'SIGKILL']);
      const at = doneSoFar();
      await redis.stop(signal);
      await wait(AWAY * draw());
      await redis.start();
      events.push(`restarted the server (${signal}) at ${at}`);
    };
    const disturbances = [...Array.from({ length: KILLS }, () => killOne), restart];
    disturbances.sort(() => draw() - 0.5);
    for (const disturb of disturbances) {
      await after(2 + doneSoFar() + Math.floor(12 * draw()));
      if (producer.child.exitCode === null) await disturb();
    }
    const code = await producer.ended;
    const begun = tilesOf(workers, 'begun');
    const faults = [];
    if (code !== 0) faults.push(`exit status ${code}: ${producer.said.err}`);
    else if (resultIn(producer.said.out) !== expected) faults.push('the result differs');
    const most = Math.max(...begun.values());
    if (most > MOST_BEGUN) faults.push(`a tile was begun ${most} times`);
    if (events.length < KILLS + 1) faults.push('not everything has happened');
    const again = [...begun.values()].filter((times) => times > 1).length;
    return { tiles: begun.size, again, most, events, faults };
  } finally {
    for (const { child } of workers) child.kill('SIGKILL');
    await Promise.all(workers.map(({ ended }) => ended));
    await redis.remove();
  }
}

let failed = 0;
let [tiles, again, most] = [0, 0, 0];
try {
  const { status, stdout, stderr } = spawnSync(process.execPath, [values.program, ...COMMON, ...files], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(stderr);
  const expected = resultIn(stdout);
  for (let run = 0; run < runs; run++) {
    const begun = performance.now();
    const result = await trial(expected);
    [tiles, again, most] = [tiles + result.tiles, again + result.again, Math.max(most, result.most)];
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(
      `trial ${run + 1}: ${result.tiles} tiles, ${result.again} begun again, at most ${result.most} times, in ${seconds} s; ` +
        `${result.events.join(', ')}${result.faults.map((fault) => `\nFAILED: ${fault}`).join('')}`,
    );
    if (result.faults.length > 0) failed++;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(
  `${runs} trials, ${runs * KILLS} workers killed, ${runs} restarts: ${failed} failed; ` +
    `${tiles} tiles, ${again} of them begun again, none more than ${most} times`,
);
process.exitCode = failed > 0 ? 1 : 0;
