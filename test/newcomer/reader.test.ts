import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { step, tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';

/* The first ten minutes of somebody who was sent a report. */

const root = temporaryFolder();
const OPTIONS = ['--backend', 'fallback'];

/** The page that a command writes. */
async function pageOf(...args: string[]): Promise<string> {
  const file = join(root, 'page.html');
  expect((await tensim([...args, '--out', file, ...OPTIONS])).code).toBe(0);
  return readFileSync(file, 'utf8');
}

describe('a reader of reports', () => {
  const series = [0, 200, 5600, 5800, 6000, 6200, 6400, 6600].map(step);
  let page = '';
  beforeAll(async () => {
    page = await pageOf('matrix', ...series, '--per-output');
  });

  test('reads first what happened, and where', () => {
    expect(/<h1>(.*?)<\/h1>/.exec(page)?.[1]).toMatch(/^(?:Onset|Largest change) at step \d+ → \d+/);
    for (const words of ['in their metadata.', 'Change from one model to the next', 'How this was obtained'])
      expect(page.includes(words), words).toBe(true);
  });

  test('opens it without a network', () => {
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    expect(page).not.toMatch(/@import|url\((?!["']?data:)/);
  });

  test('is told of a set as a set', async () => {
    const set = await pageOf('matrix', ...series.slice(2, 5), '--set');
    expect(set).toContain('<h1>2 groups among 3 models</h1>');
    expect(set).toContain('A set of models, and no series');
    expect(set).not.toContain('Change from one model to the next');
  });

  test('is not given a number where there is none yet', async () => {
    const models = ['00181', '06000'].map((at) => `examples/induction/step_${at}.safetensors`);
    const pair = await pageOf('compare', ...models, '--max-samples', '1024');
    expect(pair).toContain('This is no answer yet.');
    expect(pair).toContain('--input tokens');
    expect(pair).not.toContain('<div class="big">');
  });

  test('finds the same in what the command prints', async () => {
    const { stdout } = await tensim(['matrix', ...series, ...OPTIONS]);
    const [, headline] = /<h1>(.*?)<\/h1>/.exec(page)!;
    expect(stdout).toContain(headline.replace(/, output \d+$/, ''));
  });
});
