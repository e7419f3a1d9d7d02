// What happens to arrays and handles while calls of the addon are pending, run as `node --expose-gc parted.mjs WAY`.
// Prints { entry point: 'as before' | 'other numbers' | the code of an error }; a crash is the failure.
import { availableParallelism } from 'node:os';
import { MessageChannel } from 'node:worker_threads';
import { addon, job } from './work.mjs';

const SIZE = 400; // 1.2 MiB a matrix: memory that the system takes back as soon as it is given up

/** Ways to make an array, and what is done to it while the call waits. */
const WAYS = {
  'cloned away': { part: (buffer) => structuredClone(buffer, { transfer: [buffer] }) },
  'posted away': {
    part(buffer) {
      const { port1 } = new MessageChannel();
      port1.postMessage(buffer, [buffer]);
      port1.close();
    },
  },
  transferred: { part: (buffer) => buffer.transfer() },
  'transferred to a shorter one': { part: (buffer) => buffer.transfer(8) },
  'transferred to a longer one': { part: (buffer) => buffer.transfer(2 * buffer.byteLength) },
  'resizable, made smaller': {
    memory: (bytes) => new ArrayBuffer(bytes, { maxByteLength: 2 * bytes }),
    part: (buffer) => buffer.resize(0),
  },
  'resizable, cloned away': {
    memory: (bytes) => new ArrayBuffer(bytes, { maxByteLength: 2 * bytes }),
    part: (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  },
  shared: { memory: (bytes) => new SharedArrayBuffer(bytes), part: () => {} },
  growable: {
    memory: (bytes) => new SharedArrayBuffer(bytes, { maxByteLength: 2 * bytes }),
    part: (buffer) => buffer.grow(2 * buffer.byteLength),
  },
};

const control = () => new addon.Control();

/** Every function that reads arrays: `of` makes one of a length, and what is called gives an array or a number. */
const ENTRIES = {
  async contract(of) {
    const loop = (strideA, strideB, strideOut) => ({ size: SIZE, strideA, strideB, strideOut, slice: -1 });
    const view = (buffer) => ({ buffer, offset: 0, sliceStrides: [] });
    const elements = SIZE * SIZE;
    const layout = { shape: [SIZE, SIZE], strides: [SIZE, 1], offset: 0, elements };
    const step = {
      ...{ kernel: 'gemm', a: view(0), b: view(1), out: view(2), accumulate: false, release: [], batch: [] },
      ...{ left: [loop(SIZE, 0, SIZE)], right: [loop(0, 1, 1)], contracted: [loop(1, SIZE, 0)] },
    };
    const plan = new addon.Plan({
      ...{ version: 1, dtype: 'float64', strategy: 'blocked', slices: [], once: [], steps: [step], points: SIZE ** 3 },
      ...{ buffers: Array(3).fill({ elements }), operands: [layout, layout], peakBytes: 8 * elements },
      ...{ output: { buffer: 2, zero: false }, stripExponent: false },
    });
    return (await addon.contract(plan, [of(elements), of(elements)], 2, control())).data;
  },
  'prepare one-block': (of) => norm(chain(of, 'one-block')),
  'prepare two-block': (of) => norm(chain(of, 'two-block')),
  'prepare closure': (of) => norm(chain(of, 'closure')),
  'prepare tensor': (of) => norm(chain(of, 'tensor')),
  'prepare attention': (of) => norm(attention(of)),
  'prepare features': (of) => norm({ kind: 'features', segments: [of(SIZE * SIZE), of(SIZE * SIZE)] }),
  async prepareForward(of) {
    const { layers } = chain(of, 'closure');
    const source = { layers, positions: 1, features: SIZE, input: 'vectors' };
    const pass = await addon.prepareForward(source, 'float64', 2, control());
    return addon.evaluate(pass, sines(SIZE), 2, control());
  },
  async 'evaluate vectors'(of) {
    const pass = await identity('vectors');
    return () => addon.evaluate(pass, of(64 * SIZE), 2, control());
  },
  async 'evaluate tokens'(of) {
    const pass = await identity('tokens');
    return () => addon.evaluate(pass, of(256 * SIZE, Int32Array), 2, control());
  },
  loopHafnian(of) {
    const pairs = 8;
    const legs = { repeats: of(pairs, Uint32Array).fill(1), edges: of(4 * pairs * pairs), loops: of(2 * pairs) };
    return addon.loopHafnian(legs, 2, control());
  },
  lowRankProducts(of) {
    const factor = () => ({ bytes: of(2 * SIZE * SIZE, Uint8Array), format: 'BF16', depth: SIZE, rankLast: false });
    const matrices = { count: SIZE / 4, rank: 4, a: factor(), b: factor(), weights: of(SIZE) };
    return addon.lowRankProducts(matrices, null, 'float32', 2, control());
  },
  async symmetricEigen(of) {
    return (await addon.symmetricEigen({ data: of(SIZE * SIZE), count: 1, size: SIZE }, 1, 2, control())).values;
  },
};

function sines(length) {
  return Float64Array.from({ length }, (_, i) => Math.sin(i));
}

function chain(of, method) {
  const matrix = (rows, columns) => ({ data: of(rows * columns), shape: [rows, columns] });
  const block = {
    ...{ type: 'bilinear', left: matrix(SIZE, SIZE), right: matrix(SIZE, SIZE), down: matrix(4, SIZE) },
    ...{ leftBias: matrix(SIZE, 1), alpha: 0, beta: 1 },
  };
  const law = { sigma: 1, mean: of(SIZE), factor: { data: of(SIZE * SIZE), columns: SIZE } };
  return { kind: 'chain', method, inputs: SIZE, positions: 1, law, layers: [block] };
}

function attention(of) {
  const matrix = () => ({ data: of(16 * 16), shape: [16, 16] });
  const layer = {
    ...{ type: 'attention', heads: 2, mask: 'causal', alpha: 1, beta: 1 },
    ...{ q1: matrix(), k1: matrix(), q2: matrix(), k2: matrix(), v: matrix(), o: matrix() },
  };
  return { kind: 'chain', method: 'closure', inputs: 16, positions: 3, law: { sigma: 1 }, layers: [layer] };
}

async function norm(source) {
  const [model] = await addon.prepare([source], 'float64', 2, control());
  return (await addon.gramTile({ ...job, perOutput: true }, [model], [model], 2, control())).perOutput;
}

function identity(input) {
  const data = Float64Array.from({ length: SIZE * SIZE }, (_, i) => (i % (SIZE + 1) === 0 ? 1 : 0));
  const source = {
    positions: 1,
    features: SIZE,
    input,
    layers: [{ type: 'linear', weight: { data, shape: [SIZE, SIZE] } }],
  };
  return addon.prepareForward(source, 'float64', 2, control());
}

/** The result of an entry point; with a way, of a call that waits for the threads while its arrays are parted with. */
async function run(entry, way) {
  const made = [];
  function of(length, Type = Float64Array) {
    const bytes = length * Type.BYTES_PER_ELEMENT;
    const array = new Type(way?.memory?.(bytes) ?? new ArrayBuffer(bytes));
    for (let i = 0; i < length; i++) array[i] = Type === Float64Array ? Math.sin(made.length + i) : i % 7;
    made.push(array.buffer);
    return array;
  }
  if (entry.startsWith('evaluate')) {
    const ready = await ENTRIES[entry](of);
    return outcome(way, made, ready);
  }
  return outcome(way, made, () => ENTRIES[entry](of));
}

async function outcome(way, made, call) {
  // As many jobs as there are threads: what comes after them waits, and reads its arrays when they are parted with.
  const busy = way && Array.from({ length: availableParallelism() }, () => addon.peak('float64', 0.05, 1, control()));
  const pending = call();
  pending.catch(() => {});
  if (way !== undefined) {
    for (const buffer of made) way.part(buffer);
    made.length = 0;
    for (let i = 0; i < 3; i++) globalThis.gc();
    // What has been given up is likely to be handed out again here.
    const others = Array.from({ length: 16 }, () => new Float64Array(SIZE * SIZE).fill(Number.NaN));
    await Promise.all(busy);
    await pending;
    others.length = 0; // not before
  }
  return pending;
}

const bytesOf = (result) => Buffer.from(typeof result === 'number' ? Float64Array.of(result).buffer : result.buffer);

const outcomes = {};
for (const entry of Object.keys(ENTRIES)) {
  const expected = bytesOf(await run(entry));
  try {
    outcomes[entry] = expected.equals(bytesOf(await run(entry, WAYS[process.argv[2]]))) ? 'as before' : 'other numbers';
  } catch (error) {
    outcomes[entry] = error.code ?? String(error);
  }
}
console.log(JSON.stringify(outcomes));
