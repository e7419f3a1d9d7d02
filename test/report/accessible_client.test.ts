import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inflateSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { blocksHtml } from '../../lib/report/blocks/page.js';
import { explanationHtml } from '../../lib/report/explain/page.js';
import { compareHtml, matrixHtml } from '../../lib/report/html.js';
import { ridgeHtml } from '../../lib/report/ridge/page.js';
import { crossHtml, measuresHtml } from '../../lib/report/several.js';
import { compareMeasures } from '../../lib/similarity/series/measure_comparison.js';
import { describeInBrowser } from '../support/pages.js';
import { blocksOf } from './blocks_fixture.js';
import { formsOf, info } from './explain_fixture.js';
import { comparison, crossOf, golden, matrixOf, NASTY, SLICES, seriesOf, symmetric } from './helpers.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Names that cannot be broken, and sources of files. */
const long = Array.from({ length: 9 }, (_, i) => `a_very_long_name_of_a_checkpoint_without_a_place_to_break_${i}`);
const sources = long.map((name) => ({ file: `/some/folder/${name}.safetensors`, sha256: 'ab'.repeat(32) }));
const about = { date: new Date(0), command: `tensim matrix ${long.join(' ')}`, sizes: new Map([[sources[0].file, 7]]) };
const pair = comparison({ perOutput: SLICES });

const SAMPLED = {
  method: 'sampled',
  exact: false,
  standardError: 0.01,
  sampling: {
    ...{ samples: 8192, effectiveSamples: 900, seed: 0, tolerance: 0.005, interval: 0.02, reached: false },
    tokenModels: false,
  },
} as const;

const PAGES: Readonly<Record<string, () => Promise<string>>> = {
  matrix: () => matrixHtml(golden('digits-backdoor')),
  'matrix of long names': () =>
    matrixHtml(
      matrixOf(
        long,
        symmetric(9, (i, j) => 1 / (1 + j - i)),
        undefined,
        { sources },
      ),
      about,
    ),
  'matrix of names that mean harm': () =>
    matrixHtml(
      matrixOf(
        NASTY,
        symmetric(NASTY.length, () => 0.5),
      ),
    ),
  set: () =>
    matrixHtml(
      matrixOf(
        long,
        symmetric(9, (i, j) => (Math.floor(i / 3) === Math.floor(j / 3) ? 0.9 : 0.1)),
        undefined,
        { order: { by: 'none' } },
      ),
    ),
  'many models': () =>
    matrixHtml(
      matrixOf(
        Array.from({ length: 310 }, (_, i) => `m${i}`),
        symmetric(310, (i, j) => 1 / (1 + j - i)),
      ),
    ),
  cross: () => crossHtml(crossOf(long, NASTY), about),
  measures: () => {
    const weights = { ...golden('digits-backdoor', 'weights'), measure: 'weights' as const, input: null };
    return measuresHtml(compareMeasures([golden('digits-backdoor'), weights], 31));
  },
  compare: () => compareHtml(comparison({ a: long[0], b: long[1], perOutput: SLICES }), about),
  ridge: () =>
    ridgeHtml({ kind: 'ridge', steps: [0, 0.1, 1].map((ridge) => ({ ridge, result: pair })) } as never, about),
  explain: () => explanationHtml(formsOf(), { channels: 1, height: 2, width: 3 }),
  'explain by layers': () =>
    explanationHtml(
      {
        ...info,
        ...{ kind: 'exchange', a: long[0], b: long[1], similarity: 0.5 },
        layers: [1, 2].map((layer) => ({
          ...{ layer, type: 'bilinear', change: layer / 10 },
          ...{ intoA: { toA: 0.9, toB: 0.8 }, intoB: { toA: 0.7, toB: 0.6 } },
        })),
      },
      null,
      about,
    ),
  sampled: () => matrixHtml(seriesOf([0.9, 0.5, 0.7], { one: [0.9, 0.4, 0.8] }, SAMPLED)),
  'explain by names': () => explanationHtml(formsOf(), null),
  blocks: () => blocksHtml(blocksOf()),
};

/** What axe finds fault with. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate<string[]>(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 200) + ' ' + failureSummary)))`);
}

/** Pages of a printed file, each with whether anything is drawn on it. */
function printed(pdf: Buffer): boolean[] {
  const text = pdf.toString('latin1');
  const objects = new Map([...text.matchAll(/(\d+) 0 obj\s([\s\S]*?)endobj/g)].map(([, id, body]) => [id, body]));
  const pages = [...objects.values()].filter((body) => /\/Type\s*\/Page\b/.test(body));
  return pages.map((body) => {
    const content = objects.get(/\/Contents (\d+) 0 R/.exec(body)![1])!;
    const start = content.indexOf('stream') + 6;
    const bytes = Buffer.from(content.slice(start).replace(/^\r?\n/, ''), 'latin1');
    return /\bT[jJ]\b/.test(inflateSync(bytes, { finishFlush: 2 }).toString('latin1'));
  });
}

describeInBrowser('every page', (open, complaints) => {
  for (const [name, make] of Object.entries(PAGES)) {
    describe(name, () => {
      it('has no fault that axe knows, light and dark, folded and unfolded', { timeout: 300_000 }, async () => {
        const html = await make();
        for (const [width, colorScheme] of [
          [1400, 'light'],
          [800, 'dark'],
          [390, 'light'],
        ] as const) {
          const page = await open(html, { colorScheme, viewport: { width, height: 800 } }, '#pins=0-1,1-1');
          for (const details of await page.locator('details').all())
            await details.evaluate((element) => element.setAttribute('open', ''));
          expect(await violations(page)).toEqual([]);
        }
      });

      it('overflows at no width', { timeout: 300_000 }, async () => {
        const html = await make();
        for (const width of [1400, 800, 390]) {
          const page = await open(html, { viewport: { width, height: 800 } }, '#pins=0-1,1-1');
          for (const details of await page.locator('details').all())
            await details.evaluate((element) => element.setAttribute('open', ''));
          expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
        }
      });

      it('prints without empty pages', { timeout: 300_000 }, async () => {
        const page = await open(await make());
        const pages = printed(await page.pdf({ format: 'A4', printBackground: true }));
        expect(pages.length).toBeGreaterThan(0);
        expect(pages).not.toContain(false);
      });

      it('allows no script and no style but its own', async () => {
        const html = await make();
        const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(html)!;
        expect(policy).toMatch(/^default-src 'none'; img-src data:; style-src 'sha256-[\w+/=]{44}'; script-src '/);
        expect(policy).not.toMatch(/unsafe|\*|https?:/);
        expect(html.split('<body>')[1].split('<script>')[0]).not.toMatch(/ style="|<[a-z]+ [^<>]*\bon\w+="/);
      });
    });
  }

  it('runs nothing that gets into it', async () => {
    const page = await open(await matrixHtml(golden('digits-backdoor')));
    await page.evaluate(`{
      const script = document.createElement('script');
      script.textContent = 'document.title = "taken"';
      document.querySelector('main').append(script);
      document.querySelector('main').setAttribute('style', 'display: none');
    }`);
    expect(await page.title()).not.toBe('taken');
    expect(await page.locator('main').isVisible()).toBe(true);
    expect(complaints.splice(0)).toHaveLength(2);
  });
});
