import { featuresJson } from '../report/features.js';
import { type FeatureSimilarity, featureSimilarity } from '../similarity/features.js';
import { jsonText, oneLine } from '../words/quoting.js';
import { fitted, type Io, print, table } from './io.js';
import { type ComparisonFlags, loadPair } from './options.js';
import { createProgress } from './progress.js';

/** `tensim compare A B --features`: all features of the one with all of the other. */
export async function compareFeatures(a: string, b: string, flags: ComparisonFlags, io: Io): Promise<void> {
  const progress = await createProgress(io);
  try {
    const [first, second] = await loadPair([a, b], flags, io, progress);
    const { backend, threads, json } = flags;
    const found = await featureSimilarity(first, second, { backend, threads, signal: io.signal });
    progress.stop();
    await print(io, [json ? `${jsonText(featuresJson(found))}\n` : fitted(io, featuresText(found))]);
  } finally {
    progress.stop();
  }
}

function featuresText({ a, b, similarity, between, within }: FeatureSimilarity): string {
  const facts = [
    ['similarity', similarity.toFixed(6)],
    ['between', `${between.toPrecision(6)} (mean squared inner product of a feature of one with one of the other)`],
    ['within', within.map((value) => value.toPrecision(6)).join(' and ')],
  ];
  return `${oneLine(a)}\n${oneLine(b)}\n\n${table(facts)}`;
}
