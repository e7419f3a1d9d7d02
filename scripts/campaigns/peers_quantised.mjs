// A network of other people, quantised by our own quantisers into files that are deleted again, for `npm run
// campaign -- peers`: block by block it is what it was, by so much as the bits of each type allow.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const stories = (name) => `llama/stories260K.${name}`;
const [BIN, GGUF] = ['icpp.bin', 'crabml-f32.gguf'].map(stories);

/** Types whose blocks its rows of 64 hold, and the least similarity of a block that was found. */
const TYPES = [
  ['Q8_0', 0.999901655507361],
  ['Q5_1', 0.9959037108512621],
  ['Q5_0', 0.9944003457662518],
  ['Q4_1', 0.982578800497226],
  ['Q4_0', 0.9816031854537068],
  ['IQ4_NL', 0.9816732884527481],
  ['MXFP4', 0.9655377008095966],
];

/** Similarities of all blocks of two files, the least first. */
async function similarities({ similarityOfBlocks }, one, other) {
  const { layers } = await similarityOfBlocks(one, other);
  const found = layers.flatMap(({ mlp, attention: { heads, ov } }) => [
    ...[mlp.similarity, ov.similarity],
    ...heads.flatMap((head) => [head.qk, head.ov]),
  ]);
  return found.sort((a, b) => a - b);
}

/**
 * @param quantise test/support/quantise.ts
 * @param outdir for files that are made
 */
export async function checkQuantised(tensim, { quantisedGguf }, check, folder, outdir) {
  const original = join(folder, GGUF);
  const checkpoint = await tensim.openCheckpoint(original);
  const tensors = {};
  for (const [name, { shape }] of checkpoint.tensors) tensors[name] = [(await checkpoint.read(name)).data, ...shape];
  const { metadata } = checkpoint;
  await checkpoint.close();
  for (const [dtype, wanted] of TYPES) {
    const path = join(outdir, `stories260K.${dtype}.gguf`);
    for (const other of [GGUF, BIN])
      await check(`blocks of ${other} | the same in ${dtype}`, async () => {
        writeFileSync(
          path,
          quantisedGguf(tensors, metadata, () => dtype),
        );
        const found = await similarities(tensim, join(folder, other), path);
        const off = Math.abs(found[0] - wanted);
        return [off <= 1e-6, `at least ${found[0]}, and ${wanted} was found`];
      });
    rmSync(path, { force: true });
  }
}
