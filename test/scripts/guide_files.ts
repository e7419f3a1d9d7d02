import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npyHeader } from '../../lib/formats/numpy/npy_header.js';
import { drawModules, multipliedOut, writeAdapter } from '../support/adapters.js';
import { LLAMA, writeNetwork, writeTensors } from '../support/block_files.js';
import { random } from '../support/random.js';
import { type Given, gauged, llamaTensors, smallLayer } from '../support/transformers.js';

/** Ids that the pages name, and as many more as make a round number. */
const TOKENS = 450;
const CONFIG = { ...LLAMA, rms_norm_eps: 1e-6, rope_theta: 10_000, max_position_embeddings: 64 };
const QUERY = 'model.layers.0.self_attn.q_proj';

/** Puts the files into a folder that the TypeScript of the guide is about. */
export function writeGuideFiles(folder: string): void {
  const { normal, uniform } = random(1);
  const layers = [smallLayer(1), smallLayer(2)];
  const draw = (rows: number, columns: number) =>
    Array.from({ length: rows }, () => Float64Array.from({ length: columns }, normal));
  const withTokens = (given: Given): Given => ({
    ...given,
    'model.embed_tokens.weight': [
      Float64Array.from(draw(TOKENS, layers[0].d).flatMap((row) => [...row])),
      TOKENS,
      layers[0].d,
    ],
  });
  const base = withTokens(llamaTensors(layers));
  const others = { ...base, ...llamaTensors(layers.map((layer, i) => gauged(layer, 3 + i))) };
  const same = { ...others, 'model.embed_tokens.weight': base['model.embed_tokens.weight'] };
  for (const name of ['base', 'llama', 'step_1000', 'step_3000']) writeNetwork(folder, name, base, CONFIG);
  for (const name of ['rotated', 'tuned', 'step_2000']) writeNetwork(folder, name, same, CONFIG);
  for (const name of ['base', 'tuned', 'int8'])
    writeTensors(join(folder, `${name}.safetensors`), name === 'base' ? base : same);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(CONFIG));

  const modules = drawModules({ [QUERY]: [16, 12] }, 4, 7);
  for (const name of ['adapter', 'run_1', 'run_2', 'run_3']) writeAdapter(join(folder, name), modules);
  const [delta] = modules.map((one) => multipliedOut(one, 2));
  const [query, ...shape] = base[`${QUERY}.weight`];
  const merged: Given = { ...base, [`${QUERY}.weight`]: [query.map((value, i) => value + delta[i]), ...shape] };
  writeNetwork(folder, 'merged', merged, CONFIG);

  const npy = (name: string, dtype: '<i4' | '<f8', shape: [number, number], data: Int32Array | Float64Array) =>
    writeFileSync(join(folder, name), Buffer.concat([npyHeader(dtype, shape), Buffer.from(data.buffer)]));
  npy(
    'tokens.npy',
    '<i4',
    [8, 6],
    Int32Array.from({ length: 48 }, () => Math.floor(TOKENS * uniform())),
  );
  npy('activations.npy', '<f8', [40, 64], Float64Array.from({ length: 40 * 64 }, normal));
}

/** What the TypeScript of a page takes for granted beside its files. */
export const PRELUDES: Readonly<Record<string, string>> = {
  'docs/guide/blocks.md': `
    import { blockMoments as momentsOfBlocks, loadModel as load, loadSequences as sequencesIn, tensor as made } from 'tensim';
    import { writeSafetensors as write } from 'tensim';
    const found = (await momentsOfBlocks(await load('llama/'), await sequencesIn('tokens.npy'))).tensors;
    await write('moments.safetensors', found);
    const law = { mean: new Float64Array(12), cov: made(Float64Array.from({ length: 144 }, (_, i) => i % 13 ? 0 : 1), [12, 12]) };
    const mine = { attn: [law, law], mlp: [law, law] };`,
  'docs/guide/cluster.md': `
    import { cpSync as copy } from 'node:fs';
    import { blocksShard as layers, matrixShard as part } from 'tensim';
    for (const step of ['00000', '02000', '04000', '06000', '06200', '08000'])
      copy(\`examples/digits-backdoor/step_\${step}.safetensors\`, \`checkpoints/step_\${step}.safetensors\`);
    for (const index of [1, 2]) await part('checkpoints/', { shard: { index, count: 8 }, state: \`part-\${index}.state\` });
    await layers(['base/', 'tuned/'], { shard: { index: 1, count: 4 }, state: 'layers-1.state' });`,
  'docs/guide/laws-and-methods.md': `
    import { loadModel as load } from 'tensim';
    const [a, b] = await Promise.all([6000, 6200].map((step) => load(\`examples/digits-backdoor/step_0\${step}.safetensors\`)));`,
};
