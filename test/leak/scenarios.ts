import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contract } from '../../lib/contraction/running/contract.js';
import { TensimError } from '../../lib/errors.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { createModel } from '../../lib/model/create.js';
import type { Model } from '../../lib/model/model.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { explain } from '../../lib/similarity/explain/explain.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensim } from '../cli/run.js';
import { checkpointOf } from '../fuzz/targets/files.js';
import { readsNpz, readsPytorch, readsSafetensors } from '../fuzz/targets/readers.js';
import { bilinearShapes, counting } from '../model/helpers.js';

type Backend = 'native' | 'fallback';

/** Something that is done over and over; whatever it took must be given back. */
export type Scenario = (folder: string, backend: Backend) => Promise<(round: number) => Promise<unknown>>;

const modelOf = (label: string, from: number, [d, h, o] = [6, 8, 4]): Model =>
  createModel({
    label,
    layers: [{ type: 'bilinear', left: counting([h, d], from), right: counting([h, d], 2), down: counting([o, h], 5) }],
  });

/** A few models, two of which have the same weights. */
const some = (size?: [number, number, number]) => ['a', 'b', 'c', 'd'].map((label, i) => modelOf(label, i % 3, size));

/** What was refused, or was aborted; anything else is passed on. */
const refused = (error: unknown) => {
  if (error instanceof TensimError || error === STOPPED) return;
  throw error;
};
const STOPPED = new Error('stopped by the campaign');

/** A right file of each format. */
async function files(folder: string): Promise<{ path: string; bytes: Uint8Array }[]> {
  const readers = [readsSafetensors, readsPytorch, readsNpz];
  return Promise.all(
    readers.map(async (reader) => {
      const { seeds } = await reader.prepare(folder);
      const path = join(folder, `right.${reader.name}`);
      writeFileSync(path, seeds[0]);
      return { path, bytes: seeds[0] };
    }),
  );
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  loads: async (folder) => {
    const right = await files(folder);
    return (round) => Promise.all([loadModel(right[round % 3].path), inspect(right[round % 3].path)]);
  },

  'loads that fail': async (folder) => {
    const right = await files(folder);
    const path = right.map(({ path }) => path.replace('right', 'wrong'));
    return async (round) => {
      const { bytes } = right[round % 3];
      const cut = bytes.subarray(0, (31 * round) % bytes.length);
      writeFileSync(path[round % 3], cut);
      await loadModel(path[round % 3]).catch(refused);
    };
  },

  contractions: async (_, backend) => {
    const [a, b] = [counting([12, 9]), counting([9, 7])];
    // More equations than are remembered.
    return (round) =>
      contract('ij,jk->ik', [a, b], { backend, seed: round % 100, memoryLimit: 2 ** 20 + (round % 100) });
  },

  matrices: async (folder, backend) => {
    const models = some();
    const state = join(folder, 'matrix.state');
    return (round) =>
      similarityMatrix(models, { backend, perOutput: round % 2 === 0, ...(round % 3 === 0 && { state }) });
  },

  'matrices that are stopped': async (folder, backend) => {
    const path = join(folder, 'model.safetensors');
    writeFileSync(path, checkpointOf(bilinearShapes(6, 8, 4)));
    const models = some();
    return async (round) => {
      const stopped = new AbortController();
      const work = similarityMatrix([...models, path], {
        ...{ backend, signal: stopped.signal },
        onProgress: () => round % 2 === 0 && stopped.abort(STOPPED),
      });
      if (round % 2 === 1) setTimeout(() => stopped.abort(STOPPED), round % 5);
      await work.catch(refused);
    };
  },

  comparisons: async (_, backend) => {
    const [a, b] = some();
    return async (round) => {
      const inputs = counting([5, 6], round);
      await similarity(a, b, { backend, method: round % 4 === 0 ? 'sampled' : 'exact', maxSamples: 1024 });
      await similarity(a, b, { backend, measure: 'behavioural', inputs });
      await explain(a, b, { backend });
      await evaluate(a, inputs, { backend });
    };
  },

  commands: async (folder, backend) => {
    const path = join(folder, 'model.safetensors');
    writeFileSync(path, checkpointOf(bilinearShapes(4, 3, 2)));
    return async (round) => {
      const asked = [
        ['compare', path, path],
        ['inspect', path],
        ['gate', path, '--against', path],
        ['compare', 'nowhere', path],
      ];
      const args = asked[round % asked.length];
      await tensim(args[0] === 'inspect' ? args : [...args, '--backend', backend]);
    };
  },
};
