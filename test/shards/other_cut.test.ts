import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import '../../lib/report/contracts.js';
import * as coverings from '../../lib/shards/coverings.js';
import { mergeShards } from '../../lib/shards/merge.js';
import { matrixShard } from '../../lib/shards/shard.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { saveModel } from '../support/model_files.js';
import { blockModel } from '../support/models.js';
import { random } from '../support/random.js';

vi.mock('../../lib/shards/coverings.js', { spy: true });

const root = temporaryFolder();
const draw = random(4);
const sizes = { inputs: 40, hidden: 40, outputs: 3 };
const paths: string[] = [];
for (let i = 0; i < 24; i++) paths.push(await saveModel(root, `model_${i}`, blockModel(draw, sizes, `model_${i}`)));
const options = { backend: 'fallback', route: 'factor' } as const;
const COUNT = 3;

/** As they were cut before there were coverings: along a path. */
const cutOtherwise = () => vi.mocked(coverings.cutByCoverings).mockReturnValue(undefined);

async function part(index: number, name: string): Promise<string> {
  const state = join(root, name);
  await matrixShard(paths, { ...options, shard: { index, count: COUNT }, state });
  return state;
}

const parts = (name: string) => Promise.all([1, 2, 3].map((index) => part(index, `${name}-${index}.state`)));
/** The JSON of a result without what is measured anew by every run. */
const plain = (result: object) =>
  JSON.parse(JSON.stringify(result, (key, value) => (key === 'seconds' ? undefined : value)));

describe('parts that were cut in another way', () => {
  beforeEach(() => {
    vi.mocked(coverings.cutByCoverings).mockReset();
  });

  it('are put together to the same bits, and not with those of this one', async () => {
    const whole = plain(await similarityMatrix(paths, options));
    const own = await parts('own');
    cutOtherwise();
    const others = await parts('other');
    for (const states of [own, others]) expect(plain((await mergeShards(states)).result)).toEqual(whole);
    const error = await rejection(mergeShards([own[0], ...others.slice(1)]));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain('the pairs of the two were chosen or cut otherwise');
  });

  it('keep what they have when they are gone on with', async () => {
    cutOtherwise();
    const state = await part(1, 'resumed.state');
    vi.mocked(coverings.cutByCoverings).mockReset();
    const again = await matrixShard(paths, { ...options, shard: { index: 1, count: COUNT }, state });
    expect(again.reused).toBeGreaterThan(0);
    expect(again.reused).toBeLessThan(again.pairs);
    const { result } = await mergeShards([state, await part(2, 'new-2.state'), await part(3, 'new-3.state')]);
    expect(plain(result)).toEqual(plain(await similarityMatrix(paths, options)));
  });
});
