import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take many times as long as others, the longest first: begun last, one of them would run alone at the end.
 */
const LONGEST = [
  'similarity/sampled/golden',
  'similarity/depth',
  'cli/gate',
  'similarity/scale',
  'similarity/difference/distance',
  'similarity/sampled/coverage',
  'similarity/invariance',
  'similarity/sampled/sampled',
  'fallback/backend',
  'similarity/golden',
  'similarity/difference/resolution',
  'backend/cuda',
  'contraction/memory_resident',
  'addon/addon',
  'similarity/state',
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
