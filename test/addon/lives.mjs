// One way to live and end per name, run as `node lives.mjs NAME MILLISECONDS`. Each must end with exit code 0.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { addon, chain, job, longTile, shortTile } from './work.mjs';

const [name, delay] = isMainThread ? [process.argv[2], Number(process.argv[3])] : [workerData.name, workerData.delay];
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function worker(workerName) {
  return new Worker(new URL(import.meta.url), { workerData: { name: workerName, delay } });
}

/** Models prepared one after the other, their weights given away at once; the call is under way when this returns. */
function transferred() {
  const sources = Array.from({ length: 50 }, (_, i) => chain(i));
  const prepared = addon.prepare(sources, 'float64', 2, new addon.Control());
  for (const { layers } of sources) {
    for (const { buffer } of [layers[0].left.data, layers[0].right.data])
      structuredClone(buffer, { transfer: [buffer] });
  }
  return prepared;
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
  async 'exit in the middle of a call whose arrays were transferred'() {
    transferred();
    await pause(delay);
    process.exit(0);
  },
  async 'a worker is terminated in the middle of a call whose arrays were transferred'() {
    const running = worker('long call, its arrays transferred');
    await new Promise((resolve) => running.once('message', resolve));
    await pause(delay);
    await running.terminate();
    await shortTile();
    console.log('settled');
  },
  async 'models are disposed of in the middle of a call, and twice'() {
    const [model] = await addon.prepare([chain()], 'float64', 2, new addon.Control());
    const tile = addon.gramTile(job, [model, model], [model], 2, new addon.Control());
    for (let i = 0; i < 2; i++) model.dispose();
    const { total } = await tile;
    try {
      addon.gramTile(job, [model], [model], 2, new addon.Control());
    } catch ({ code }) {
      console.log(
        code,
        model.bytes,
        total.every((product) => product > 0),
      );
    }
  },
  async 'a forward pass is disposed of in the middle of a call, and twice'() {
    const { layers, inputs } = chain();
    const source = { layers, positions: 1, features: inputs, input: 'vectors' };
    const pass = await addon.prepareForward(source, 'float64', 2, new addon.Control());
    const outputs = addon.evaluate(pass, new Float64Array(1000 * inputs).fill(1), 2, new addon.Control());
    for (let i = 0; i < 2; i++) pass.dispose();
    const values = await outputs;
    try {
      addon.evaluate(pass, new Float64Array(inputs), 2, new addon.Control());
    } catch ({ code }) {
      console.log(
        code,
        pass.bytes,
        values.every((value, i) => value === values[i % 4] && value !== 0),
      );
    }
  },
  // In workers:
  'long call, its arrays transferred'() {
    transferred().then(() => pause(10_000));
    parentPort.postMessage('started');
  },
  async 'long call'() {
    const tile = longTile();
    parentPort.postMessage('started');
    await tile;
  },
  'short call': shortTile,
};

await lives[name]();
