import type { Pacer } from '../cooperate.js';
import type { BlockNetwork, LayerBlocks, Norm } from '../model/transformers/network.js';
import type { BlockFile } from './open.js';
import { readGain } from './parts/reader.js';
import type { NormComparison, NormName, WeightComparison } from './terms.js';
import { WeightTally } from './weights.js';

type Norms = ReadonlyMap<NormName, Norm>;

/** Compares the norms that two layers both have, wherever they stand. */
export function compareNorms(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  pacer: Pacer,
): Promise<readonly NormComparison[]> {
  return compareAll(f, normsOf(one), g, normsOf(other), pacer);
}

/** The same of the norms behind the embedding and behind the last layer. */
export function compareEnds(f: BlockFile, g: BlockFile, pacer: Pacer): Promise<readonly NormComparison[]> {
  return compareAll(f, endsOf(f.network), g, endsOf(g.network), pacer);
}

function normsOf({ attentionNorm, mlpNorm, norms }: LayerBlocks): Norms {
  return present({ attention: attentionNorm, mlp: mlpNorm, ...norms });
}

function endsOf({ embeddingNorm, finalNorm }: BlockNetwork): Norms {
  return present({ embedding: embeddingNorm, final: finalNorm });
}

function present(norms: Partial<Record<NormName, Norm | undefined>>): Norms {
  return new Map(Object.entries(norms).filter(([, norm]) => norm !== undefined) as [NormName, Norm][]);
}

async function compareAll(
  f: BlockFile,
  one: Norms,
  g: BlockFile,
  other: Norms,
  pacer: Pacer,
): Promise<NormComparison[]> {
  const found: NormComparison[] = [];
  for (const [norm, own] of one) {
    const answer = other.get(norm);
    if (answer === undefined) continue;
    const [a, b] = [await readGain(own, f.read), await readGain(answer, g.read)];
    const gain = await compareVectors(a.gain, b.gain, 1, pacer);
    const bias = await compareVectors(a.bias, b.bias, 0, pacer);
    if (gain || bias) found.push({ norm, ...(gain && { gain }), ...(bias && { bias }) });
  }
  return found;
}

/** @param missing what is meant where there is none */
async function compareVectors(
  a: Float64Array | null,
  b: Float64Array | null,
  missing: number,
  pacer: Pacer,
): Promise<WeightComparison | undefined> {
  const size = a?.length ?? b?.length ?? 0;
  const [one, other] = [a, b].map((data) => data ?? new Float64Array(size).fill(missing));
  if (size === 0 || one.length !== other.length) return undefined;
  const tally = new WeightTally();
  await tally.add(one, other, pacer);
  return tally.result;
}
