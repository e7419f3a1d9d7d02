// One way to live and end per name, run as `node lives.mjs NAME MILLISECONDS`. Each must end with exit code 0.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { longTile, shortTile } from './work.mjs';

const [name, delay] = isMainThread ? [process.argv[2], Number(process.argv[3])] : [workerData.name, workerData.delay];
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function worker(workerName) {
  return new Worker(new URL(import.meta.url), { workerData: { name: workerName, delay } });
}

const lives = {
  async 'exit in the middle of a call'() {
    longTile();
    await pause(delay);
    process.exit(0);
  },
  async 'exit from a promise that a call resolves'() {
    await shortTile();
    longTile();
    process.exit(0);
  },
  async 'the loop stays alive until a call has settled'() {
    shortTile().then(() => console.log('settled'));
  },
  async 'a worker is terminated in the middle of a call'() {
    for (let i = 0; i < 3; i++) {
      const running = worker('long call');
      await new Promise((resolve) => running.once('message', resolve));
      await pause(delay);
      await running.terminate();
    }
    await shortTile();
    console.log('settled');
  },
  async 'a worker exits by itself in the middle of a call'() {
    const running = worker('exit in the middle of a call');
    await new Promise((resolve) => running.once('exit', resolve));
    console.log('settled');
  },
  async 'workers and the main thread work at the same time'() {
    const workers = [worker('short call'), worker('short call'), worker('short call')];
    await Promise.all([shortTile(), ...workers.map((each) => new Promise((resolve) => each.once('exit', resolve)))]);
    console.log('settled');
  },
  async 'the main thread exits while a worker works'() {
    const running = worker('long call');
    await new Promise((resolve) => running.once('message', resolve));
    await pause(delay);
    process.exit(0);
  },
  // In workers:
  async 'long call'() {
    const tile = longTile();
    parentPort.postMessage('started');
    await tile;
  },
  'short call': shortTile,
};

await lives[name]();
