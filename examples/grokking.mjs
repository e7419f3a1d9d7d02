// node examples/grokking.mjs: the phases of a network that groks, found from its weights alone.
// Training accuracies are printed beside them to compare; they take no part in finding them.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { blockScore, segmentation, similarityMatrix, writeReport } from 'tensim';

const folder = fileURLToPath(new URL('grokking/', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
const matrix = await similarityMatrix(files.sort().map((name) => folder + name));

const { history } = JSON.parse(readFileSync(`${folder}history.json`, 'utf8'));
const stepOf = (index) => Number(/\d+/.exec(matrix.labels[index])[0]);
const accuracy = (index, name) => history.find(({ step }) => step === stepOf(index))[name].toFixed(2);
const range = ({ first, last }, name) => `${accuracy(first, name)} to ${accuracy(last, name)}`;

const { phases, explained } = await segmentation(matrix.cosine);
console.log(`${phases.length} phases account for ${(100 * explained).toFixed(0)} % of how the network varies.\n`);
console.log('steps              similarity within   training pairs known   others known   block score');
for (const phase of phases) {
  const steps = `${stepOf(phase.first)} to ${stepOf(phase.last)}`.padEnd(19);
  const within = phase.similarity.toFixed(3).padEnd(20);
  const known = range(phase, 'train_acc').padEnd(23) + range(phase, 'val_acc').padEnd(15);
  const score = phase.first === 0 ? '' : blockScore(matrix.cosine, phase.first).toFixed(2);
  console.log(`${steps}${within}${known}${score}`);
}

mkdirSync('report', { recursive: true });
await writeReport(matrix, 'report/grokking.html');
console.log('\nThe report is in report/grokking.html.');
