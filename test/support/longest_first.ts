import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take many times as long as others, the longest first: begun last, one of them would run alone at the end.
 */
const LONGEST = [
  'similarity/scale',
  'similarity/sampled/golden',
  'similarity/depth',
  'similarity/sampled/coverage',
  'addon/boundary',
  'cli/gate',
  'similarity/difference/distance',
  'similarity/invariance',
  'similarity/sampled/sampled',
  'contraction/planning',
  'model/changed',
  'fallback/backend',
  'similarity/golden',
  'similarity/difference/resolution',
  'backend/cuda',
  'contraction/memory_resident',
  'report/many_outputs',
  'hub/hostile',
  'addon/addon',
  'similarity/state',
  'fuzz/replay',
];

/** Begins with the longest files. The order of the others is vitest's. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
