import type { Faults } from '../../backend/task.js';
import type { CudaDevice } from '../addon.js';

/**
 * What became of trying the library out: its devices, those that can share tiles, and what of methods and abilities they
 * cannot be trusted with; or in one line why it cannot be used.
 */
export type CudaProbe =
  | {
      readonly devices: readonly CudaDevice[];
      /** The first, and those of its kind with half its free memory or more, which multiply vectors as they should. */
      readonly alike: readonly number[];
      readonly faults: Faults;
    }
  | { readonly reason: string };

/** A driver may take some seconds to wake up its devices; one that is broken may never answer. */
const TIMEOUT_MS = 30_000;

/**
 * Run by a Node of its own with the paths of the addon and of the library: asks for the devices, and has the first of
 * them do a small task of every method and ability, which must come out as on the processor: a compiler may have made
 * wrong code for this device. One that fails at vectors or pairs of units cannot be used; what else differs is a fault.
 * Others of the same kind run the same code, and are asked for a product only. Prints a CudaProbe as JSON.
 */
const PROGRAM = `
const [, addonPath, library] = process.argv;
const JOB = { measure: 'gaussian', symmetric: true, perOutput: false };
const TYPES = [['float64', 1e-11], ['float32', 1e-4]];
let addon;
const control = () => new addon.Control();

let state = 1;
const number = () => (state = (state * 48271) % 2147483647) / 2147483647 - 0.5;
const numbers = (size, scale = 1) => Float64Array.from({ length: size }, () => scale * number());
const tensor = (...shape) => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { data: numbers(size, 3 / Math.sqrt(shape.at(-1))), shape };
};
const linear = (outputs, inputs) => ({ type: 'linear', weight: tensor(outputs, inputs) });
const block = (inputs, hidden, outputs, alpha) => ({
  type: 'bilinear', left: tensor(hidden, inputs), right: tensor(hidden, inputs), leftBias: tensor(hidden),
  down: tensor(outputs, hidden), alpha, beta: 1,
});
const attention = (width, heads, size) => {
  const [q1, k1, q2, k2, v] = Array.from({ length: 5 }, () => tensor(heads * size, width));
  const o = tensor(width, heads * size);
  return { type: 'attention', heads, q1, k1, q2, k2, v, o, mask: 'causal', rotaryBase: 100, alpha: 1, beta: 1 };
};
const hidden = (activation, inputs, units, outputs) => ({
  type: 'hidden', weight: tensor(units, inputs), bias: tensor(units), activation, down: tensor(outputs, units),
  alpha: 0, beta: 1,
});
const gated = (activation, inputs, units, outputs) => ({
  type: 'gated', gate: tensor(units, inputs), up: tensor(units, inputs), activation, down: tensor(outputs, units),
  alpha: 0, beta: 1,
});
const rounded = (layer, steps) => {
  const round = (part) => ({ ...part, data: part.data.map((value) => Math.round(value * steps) / steps) });
  return Object.fromEntries(Object.entries(layer).map(([name, part]) => [name, part?.data ? round(part) : part]));
};
const softmax = (width, heads, size) => {
  const [q, k, v] = Array.from({ length: 3 }, () => tensor(heads * size, width));
  const more = { rotaryBase: 100, rotaryLayout: 'half', rotaryScaling: 1, normEpsilon: 1e-6, normOffset: 0 };
  return { type: 'softmax_attention', heads, q, k, v, o: tensor(width, heads * size), mask: 'causal', ...more, ...OPEN };
};
const OPEN = { alpha: 0, beta: 1 };
const IMAGE = { type: 'convolution', channels: 2, height: 4, width: 5, stride: 1, padding: 1, dilation: 1, groups: 1 };
const chain = (layers, inputs, positions, method, route) =>
  ({ kind: 'chain', layers, inputs, positions, method, route, law: { sigma: 1 } });
const BASIC = {
  'pairs of units': [() => chain([block(37, 50, 5, 0)], 37, 1, 'one-block', 'factor')],
  'dense forms': [() => chain([block(19, 20, 3, 0)], 19, 1, 'one-block', 'dense')],
};
const NETWORKS = {
  closure: [
    () => chain([block(9, 12, 9, 1), block(9, 7, 4, 0)], 9, 1, 'closure'),
    () => chain([attention(6, 2, 4), linear(3, 6)], 6, 2, 'closure'),
  ],
  hidden: [
    () => chain([hidden('gelu', 7, 20, 3)], 7, 1, 'hidden'),
    () => chain([hidden('relu', 7, 20, 3)], 7, 1, 'hidden'),
    () => chain([gated('silu', 7, 10, 3)], 7, 1, 'hidden'),
    // Of so few digits that they go there as bfloat16, as float16 and as bytes.
    () => chain([rounded(gated('silu', 7, 10, 3), 32)], 7, 1, 'hidden'),
    () => chain([rounded(hidden('gelu', 7, 20, 3), 1024)], 7, 1, 'hidden'),
    () => chain([rounded(hidden('gelu', 64, 40, 3), 32)], 64, 1, 'hidden'),
  ],
  'two-block': [() => chain([block(4, 6, 4, 1), block(4, 5, 3, 0)], 4, 1, 'two-block')],
  tensor: [() => chain([block(4, 6, 4, 1), block(4, 5, 3, 0)], 4, 1, 'tensor')],
};

const far = (found, wanted, size) => !wanted.every((value, i) => Math.abs(found[i] - value) <= size);
const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

async function onDevice(source, dtype, device = 0) {
  return (await addon.cudaPrepare(library, [device], source, dtype, 1, control()))[0].model;
}

/** 3² + 4² by a device. */
async function square(device) {
  const vector = await onDevice({ kind: 'features', segments: [Float64Array.of(3, 4)] }, 'float64', device);
  return (await addon.cudaGramTile(library, JOB, [vector], [vector], 1, control())).total[0];
}

async function productsDiffer(networks, dtype, tolerance) {
  for (const network of networks) {
    const sources = [network(), network()];
    const job = { ...JOB, measure: sources[0].method === 'tensor' ? 'tensor' : 'gaussian' };
    const models = [await onDevice(sources[0], dtype), await onDevice(sources[1], dtype)];
    const found = (await addon.cudaGramTile(library, job, models, models, 1, control())).total;
    const own = await addon.prepare(sources, dtype, 1, control());
    const wanted = (await addon.gramTile(job, own, own, 1, control())).total;
    if (far(found, wanted, tolerance * largest(wanted))) return true;
  }
  return false;
}

async function outputsDiffer(dtype, tolerance) {
  for (const [layers, positions, features = 6] of [
    [[hidden('gelu', 6, 9, 6), gated('silu', 6, 7, 6), block(6, 8, 6, 1), linear(3, 6)], 1],
    [[attention(6, 2, 4), linear(3, 6)], 3],
    [[{ type: 'parallel', branches: [[softmax(6, 2, 4)], [linear(6, 6)]], alpha: 1, beta: 1 }], 40],
    [[{ ...IMAGE, weight: tensor(3, 2, 3, 3) }, linear(3, 60)], 1, 40],
  ]) {
    const source = { layers, positions, features, input: 'vectors' };
    const inputs = numbers(5 * positions * features, 2);
    const own = await addon.prepareForward(source, dtype, 1, control());
    const wanted = await addon.evaluate(own, inputs, 1, control());
    const { pass } = await addon.cudaPrepareForward(library, 0, source, dtype, 1, control());
    if (far(await addon.cudaEvaluate(pass, inputs, 1, control()), wanted, tolerance * largest(wanted))) return true;
    const { model } = await addon.cudaKeep(pass, inputs, null, false, 1, control());
    const square = (await addon.cudaGramTile(library, JOB, [model], [model], 1, control())).total;
    const sum = wanted.reduce((total, value) => total + value * value, 0);
    if (far(square, [sum], tolerance * sum)) return true;
  }
  return false;
}

async function normalsDiffer() {
  const place = [7, 11, 5, 1000, 40, 1];
  const wanted = await addon.normals(...place, control());
  return far(await addon.cudaNormals(library, 0, ...place, control()), wanted, 0);
}

/** The product of a matrix with one that is stored by columns. */
async function contractionsDiffer(dtype, tolerance) {
  const [m, n, k] = [40, 36, 70];
  const loop = (size, strideA, strideB, strideOut) => ({ size, strideA, strideB, strideOut, slice: -1 });
  const layout = (rows) => ({ shape: [rows, k], strides: [k, 1], offset: 0, elements: rows * k });
  const view = (buffer) => ({ buffer, offset: 0, sliceStrides: [] });
  const plan = new addon.Plan({
    version: 1, dtype, strategy: 'blocked', operands: [layout(m), layout(n)], slices: [], once: [],
    buffers: [
      { kind: 'operand', elements: m * k }, { kind: 'operand', elements: n * k }, { kind: 'output', elements: m * n },
    ],
    steps: [{
      kernel: 'gemm', a: view(0), b: view(1), out: view(2), batch: [], left: [loop(m, k, 0, n)],
      right: [loop(n, 0, k, 1)], contracted: [loop(k, 1, 1, 0)], accumulate: false, release: [],
      workspaceBytes: 2 ** 20, points: m * n * k, flops: 2 * m * n * k, bytes: 0, text: 'mk,nk->mn',
    }],
    output: { buffer: 2, shape: [m, n], zero: false }, stripExponent: false,
    points: m * n * k, flops: 2 * m * n * k, bytes: 0, peakBytes: 2 ** 20, seconds: 0,
  });
  const Data = dtype === 'float64' ? Float64Array : Float32Array;
  const operands = [Data.from(numbers(m * k)), Data.from(numbers(n * k))];
  const wanted = (await addon.contract(plan, operands, 1, control())).data;
  const found = (await addon.cudaContract(library, 0, false, plan, operands, 1, control())).data;
  return far(found, wanted, tolerance * largest(wanted));
}

const methods = Object.entries(NETWORKS).map(([method, networks]) =>
  [method, 'the method "' + method + '"', (...type) => productsDiffer(networks, ...type)]);
const CHECKS = [
  ...methods,
  ['forward', 'forward passes', outputsDiffer],
  ['normals', 'random numbers', normalsDiffer],
  ['contractions', 'contractions', contractionsDiffer],
];

/** In one line what is wrong with something, if anything is. */
async function faultOf(what, differs) {
  for (const [dtype, tolerance] of TYPES)
    if (await differs(dtype, tolerance))
      return 'this device gives other numbers than the processor for ' + what + ' in ' + dtype;
}

async function probe() {
  addon = require(addonPath);
  const devices = addon.cudaDevices(library);
  if (devices.length === 0) return { reason: 'there is no CUDA device' };
  const found = await square(0);
  if (found !== 25) return { reason: 'the device takes 3² + 4² for ' + found };
  for (const [what, networks] of Object.entries(BASIC)) {
    const reason = await faultOf(what, (...type) => productsDiffer(networks, ...type));
    if (reason !== undefined) return { reason };
  }
  const faults = {};
  for (const [name, what, differs] of CHECKS) {
    const fault = await faultOf(what, differs).catch(({ message }) => 'this device fails at ' + what + ': ' + message);
    if (fault !== undefined) faults[name] = fault;
  }
  const alike = [0];
  const [{ name, capability, freeMemory }] = devices;
  for (const [device, other] of devices.entries()) {
    const same = other.name === name && other.capability === capability && other.freeMemory >= freeMemory / 2;
    if (device > 0 && same && (await square(device).catch(() => null)) === 25) alike.push(device);
  }
  return { devices, alike, faults };
}
probe()
  .catch((error) => ({ reason: error.message }))
  .then((result) => process.stdout.write(JSON.stringify(result)));
`;

/**
 * Tries a library of the CUDA backend out in a child process, so that a driver or a library that crashes, or never
 * answers, does it there. Never rejects.
 */
export async function probeCuda(addonPath: string, library: string, timeout = TIMEOUT_MS): Promise<CudaProbe> {
  const { execFile } = await import('node:child_process');
  // Node's own options (loaders, inspectors) are not for the child; in Electron it must be told that it is to be a
  // Node.
  const env = { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' };
  return new Promise((resolve) => {
    const options = { env, timeout, killSignal: 'SIGKILL', windowsHide: true } as const;
    execFile(process.execPath, ['-e', PROGRAM, addonPath, library], options, (error, output) => {
      if (error?.killed) return resolve({ reason: `trying it out took more than ${timeout / 1000} s` });
      if (error) return resolve({ reason: `trying it out ended with ${error.signal ?? error.code ?? error.message}` });
      try {
        resolve(JSON.parse(output));
      } catch {
        resolve({ reason: `trying it out gave no answer but ${JSON.stringify(output.slice(0, 80))}` });
      }
    });
  });
}
