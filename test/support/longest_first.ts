import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take many times as long as others, the longest first: begun last, one of them would run alone at the end.
 */
const LONGEST = [
  'similarity/scale',
  'similarity/sampled/coverage',
  'similarity/sampled/golden',
  'addon/boundary',
  'similarity/jobs',
  'report/client',
  'similarity/sampled/sampled',
  'fuzz/replay',
  'backend/cuda',
  'similarity/hidden',
  'cli/gate',
  'similarity/depth',
  'similarity/state',
  'hub/hostile',
  'contraction/planning',
  'addon/addon',
  'similarity/invariance',
  'formats/archive_memory',
  'hub/cached',
  'gaussian/activations/kernel',
  'gaussian/activations/gated',
  'layers/images',
  'model/read_once',
  'report/many_outputs',
  'scripts/campaigns',
  'model/walk',
  'similarity/golden',
  'fallback/backend',
  'contraction/memory_resident',
];

/**
 * Begins with the longest files. The order of the others is vitest's, but those of a project stand together: a process
 * is shared with the next file of the queue, and with no other.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
      return place < 0 ? LONGEST.length : place;
    };
    const isShared = ({ project }: TestSpecification) => Number(project.config.isolate === false);
    const byProject = (a: TestSpecification, b: TestSpecification) =>
      isShared(a) - isShared(b) || a.project.name.localeCompare(b.project.name) || rank(a) - rank(b);
    return (await super.sort(files)).sort(byProject);
  }
}
