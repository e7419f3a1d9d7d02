import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeNetwork } from '../support/block_files.js';
import { random } from '../support/random.js';
import type { Given } from '../support/transformers.js';
import { killableProgram, sizeOf, toTheEnd } from './killable.js';

const root = temporaryFolder();
const LAYERS = 10;

const run = killableProgram('tensim-blocks-killed');

/** Layers that take some time each. */
function network(seed: number): string {
  const { normal } = random(seed);
  const [d, units, rows] = [48, 160, 48];
  const matrix = (...shape: [number, number]): Given[string] => [
    Float64Array.from({ length: shape[0] * shape[1] }, normal),
    ...shape,
  ];
  const gain: Given[string] = [Float64Array.from({ length: d }, normal), d];
  const tensors: Given = { 'model.embed_tokens.weight': matrix(9, d), 'model.norm.weight': gain };
  for (let layer = 0; layer < LAYERS; layer++) {
    const before = `model.layers.${layer}.`;
    for (const norm of ['input_layernorm', 'post_attention_layernorm'])
      tensors[`${before}${norm}.weight`] = [Float64Array.from({ length: d }, normal), d];
    tensors[`${before}self_attn.q_proj.weight`] = matrix(rows, d);
    tensors[`${before}self_attn.k_proj.weight`] = matrix(rows / 2, d);
    tensors[`${before}self_attn.v_proj.weight`] = matrix(rows / 2, d);
    tensors[`${before}self_attn.o_proj.weight`] = matrix(d, rows);
    tensors[`${before}mlp.gate_proj.weight`] = matrix(units, d);
    tensors[`${before}mlp.up_proj.weight`] = matrix(units, d);
    tensors[`${before}mlp.down_proj.weight`] = matrix(d, units);
  }
  return writeNetwork(root, `net_${seed}`, tensors);
}

test.skipIf(process.platform === 'win32')(
  'shards of blocks that were killed at random moments go on where they were, and end with the bytes of one run',
  { timeout: 120_000 },
  async () => {
    const networks = [network(1), network(2)];
    const blocks = ['blocks', ...networks, '--json', '--backend', 'fallback'];
    const states = [1, 2].map((index) => join(root, `part-${index}.state`));
    const draw = random(Date.now());
    let kills = 0;
    for (const [at, state] of states.entries()) {
      const shard = [...blocks, '--shard', `${at + 1}/2`, '--state', state];
      for (let attempt = 0; attempt < 4; attempt++) {
        const before = sizeOf(state);
        const { killedBy } = await run(shard, async (kill, ended) => {
          while (sizeOf(state) <= before && !ended()) await wait(1);
          await wait(40 * draw.uniform());
          kill();
        });
        if (killedBy === 'SIGKILL') kills++;
      }
      const { layers, others, reused } = JSON.parse((await run(shard, toTheEnd)).stdout);
      expect(reused).toBeGreaterThan(0);
      expect(layers.length + others.length).toBeGreaterThanOrEqual(reused);
    }
    expect(kills).toBeGreaterThan(0);
    const merged = await run(['merge', ...states, '--json'], toTheEnd);
    expect(merged.stdout).toBe((await run(blocks, toTheEnd)).stdout);
    expect(JSON.parse(merged.stdout).layers).toHaveLength(LAYERS);
  },
);
