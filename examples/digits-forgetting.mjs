// node examples/digits-forgetting.mjs: a digit is learned, forgotten and learned again, seen in the weights alone.

import { mkdirSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { direction, similarityMatrix, writeReport } from 'tensim';

const folder = fileURLToPath(new URL('digits-forgetting/', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
const matrix = await similarityMatrix(
  files.sort().map((name) => folder + name),
  { perOutput: true },
);

/** The checkpoint of a training step, and output 9 alone. */
const at = (step) => matrix.labels.indexOf(`step_${String(step).padStart(5, '0')}`);
const { cosine, gram } = matrix.perOutput;
const learning = { from: at(5000), to: at(6000) };

console.log(
  'Output 9, its similarity to itself at step 7000, when it knew its digit, and how far every stage moves it',
);
console.log('along "learning 9", the way from step 5000 to 6000 (the cosine between the two moves):\n');
console.log('stage                     steps          similarity at the end   along "learning 9"');
for (const [stage, from, to] of [
  ['digit 9 comes in', 5000, 6000],
  ['nothing changes', 6000, 7000],
  ['digit 9 is taken out', 7000, 8000],
  ['digit 9 comes back', 8000, 9000],
]) {
  const similar = cosine[9][at(7000)][at(to)].toFixed(3);
  const along = direction(gram[9], { from: at(from), to: at(to) }, learning).toFixed(2);
  console.log(`${stage.padEnd(26)}${`${from} to ${to}`.padEnd(15)}${similar.padEnd(24)}${along}`);
}

mkdirSync('report', { recursive: true });
await writeReport(matrix, 'report/forgetting.html');
console.log('\nThe report, with every output, is in report/forgetting.html.');
