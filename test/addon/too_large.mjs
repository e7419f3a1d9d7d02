// Results and intermediates that no memory has room for, run as `node too_large.mjs`. Prints the code of every error;
// an aborted process is the failure.
import { addon } from './work.mjs';

const control = () => new addon.Control();
const view = (buffer) => ({ buffer, offset: 0, sliceStrides: [] });

/** out[i] = a[i] over two steps and one intermediate, with buffers of any claimed size. */
function plan(intermediate, output) {
  const loop = { size: 1, strideA: 0, strideB: 0, strideOut: 0, slice: -1 };
  const bundles = { batch: [loop], left: [], right: [], contracted: [], accumulate: false, b: null, kernel: 'copy' };
  const steps = [
    { ...bundles, a: view(0), out: view(1), release: [] },
    { ...bundles, a: view(1), out: view(2), release: [1] },
  ];
  return {
    ...{ version: 1, dtype: 'float64', strategy: 'blocked', slices: [], once: [], steps, points: 2, peakBytes: 8 },
    ...{ buffers: [{ elements: 1 }, { elements: intermediate }, { elements: output }], stripExponent: false },
    ...{ operands: [{ shape: [1], strides: [1], offset: 0, elements: 1 }], output: { buffer: 2, zero: false } },
  };
}

async function evaluated(positions, outputs, batch) {
  const weight = { data: new Float64Array(outputs), shape: [outputs, 1] };
  const source = { layers: [{ type: 'linear', weight }], positions, features: 1, input: 'vectors' };
  const pass = await addon.prepareForward(source, 'float64', 2, control());
  return addon.evaluate(pass, new Float64Array(positions * batch), 2, control());
}

function attention(positions) {
  const matrix = { data: new Float64Array(64).fill(0.1), shape: [8, 8] };
  const parts = { q1: matrix, k1: matrix, q2: matrix, k2: matrix, v: matrix, o: matrix };
  const layers = [{ type: 'attention', heads: 1, mask: 'none', alpha: 1, beta: 1, ...parts }];
  return { kind: 'chain', method: 'closure', inputs: 8, positions, law: { sigma: 1 }, layers };
}

const run = (given) => addon.contract(new addon.Plan(given), [new Float64Array(1)], 2, control());
const attempts = {
  'a result': () => run(plan(1, 2 ** 36)),
  'a result beyond what arrays can have': () => run(plan(1, 2 ** 53 - 1)),
  'an intermediate': () => run(plan(2 ** 50, 1)),
  'a plan of more steps than there is memory for': () =>
    new addon.Plan({ ...plan(1, 1), steps: Object.assign([], { length: 2 ** 32 - 1 }) }),
  'random numbers': () => addon.normals(1, 2, 2 ** 20, 0, 2 ** 16, 2, control()),
  'more random numbers than there are sizes': () => addon.normals(1, 2, 2 ** 31, 0, 2 ** 32, 2, control()),
  outputs: () => evaluated(1, 2 ** 20, 2 ** 16),
  'positions of a forward pass': () => evaluated(2 ** 53 - 1, 1, 0),
  'positions of an attention layer': () => addon.prepare([attention(2 ** 31)], 'float64', 2, control()),
  'positions whose pairs have no number': () => addon.prepare([attention(2 ** 53 - 1)], 'float64', 2, control()),
  'pairs of positions': () => addon.prepare([attention(2 ** 25)], 'float64', 2, control()),
};

for (const [name, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
    console.log(`${name}: done`);
  } catch (error) {
    console.log(`${name}: ${error.code ?? error}`);
  }
}
