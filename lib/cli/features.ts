import { SCHEMAS } from '../report/schemas.js';
import { type FeatureSimilarity, featureSimilarity } from '../similarity/features.js';
import { jsonText, oneLine } from '../words/quoting.js';
import { fitted, type Io, print, table } from './io.js';
import { type ComparisonFlags, loadPair } from './options.js';
import { createProgress } from './progress.js';

/** `tensim compare A B --features`: all features of the one with all of the other. */
export async function compareFeatures(a: string, b: string, flags: ComparisonFlags, io: Io): Promise<void> {
  const progress = createProgress(io);
  try {
    const [first, second] = await loadPair([a, b], flags, io, progress);
    const { backend, threads, json } = flags;
    const found = await featureSimilarity(first, second, { backend, threads, signal: io.signal });
    progress.stop();
    const labels = [first.label, second.label] as const;
    await print(io, [json ? `${jsonText(featuresJson(labels, found))}\n` : fitted(io, featuresText(labels, found))]);
  } finally {
    progress.stop();
  }
}

/** The contract `tensim.features/1`. */
function featuresJson([a, b]: readonly [string, string], { similarity, between, within }: FeatureSimilarity) {
  return { schema: SCHEMAS.features, a, b, similarity, between, within };
}

function featuresText([a, b]: readonly [string, string], { similarity, between, within }: FeatureSimilarity): string {
  const facts = [
    ['similarity', similarity.toFixed(6)],
    ['between', `${between.toPrecision(6)} (mean squared inner product of a feature of one with one of the other)`],
    ['within', within.map((value) => value.toPrecision(6)).join(' and ')],
  ];
  return `${oneLine(a)}\n${oneLine(b)}\n\n${table(facts)}`;
}
