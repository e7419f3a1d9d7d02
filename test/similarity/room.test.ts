import { describe, expect, it } from 'vitest';
import { similarityMatrix } from '../../lib/index.js';
import { checkRoom } from '../../lib/similarity/members/room.js';

describe('a result', () => {
  it('for which there is no memory is refused with the numbers', () => {
    expect(() => checkRoom(20_000, 20_000, 0, 4 * 2 ** 30)).toThrow(
      expect.objectContaining({
        code: 'MEMORY_LIMIT',
        message: expect.stringMatching(/^the result of 20,000 by 20,000 models takes 6.0 GiB, and 4.0 GiB are free/),
      }),
    );
    expect(() => checkRoom(100, 100, 250_000, 2 ** 30)).toThrow(/with 250,000 outputs each takes 37.3 GiB/);
    expect(() => checkRoom(20_000, 20_000, 0, 8 * 2 ** 30)).not.toThrow();
  });

  it('is refused before a file is opened', async () => {
    const paths = new Array<string>(10_000_000).fill('nowhere.safetensors');
    await expect(similarityMatrix(paths)).rejects.toMatchObject({ code: 'MEMORY_LIMIT' });
  });
});
