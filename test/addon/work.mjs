// Long native work for the lifetime tests; used in child processes and workers, on the built addon itself.
import { createRequire } from 'node:module';

export const addon = createRequire(import.meta.url)('node-gyp-build')(new URL('../..', import.meta.url).pathname);

const [d, h, o] = [400, 120, 4];

function matrix(rows, columns, seed) {
  const data = Float64Array.from({ length: rows * columns }, (_, i) => Math.sin(seed + i));
  return { data, shape: [rows, columns] };
}

export function chain(seed = 1) {
  const [left, right, down] = [matrix(h, d, seed), matrix(h, d, seed + 0.3), matrix(o, h, seed + 0.7)];
  const layers = [{ type: 'bilinear', left, right, down, alpha: 0, beta: 1 }];
  return { kind: 'chain', method: 'one-block', inputs: d, positions: 1, law: { sigma: 1 }, layers };
}

export const job = { measure: 'gaussian', symmetric: false, perOutput: false };

/** Some seconds of work, were nobody to stop it. */
export async function longTile(control = new addon.Control()) {
  const [model] = await addon.prepare([chain()], 'float64', 2, new addon.Control());
  const models = Array(300).fill(model);
  return addon.gramTile(job, models, models, 2, control);
}

/** Some milliseconds of work. */
export async function shortTile() {
  const [model] = await addon.prepare([chain()], 'float64', 2, new addon.Control());
  return addon.gramTile(job, [model, model], [model], 2, new addon.Control());
}
