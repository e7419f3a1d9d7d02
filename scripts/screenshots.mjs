// Draws every kind of report of the examples, and takes pictures of each at the widths of a desk, a tablet and a phone, light
// and dark, to be looked at. Needs dist/ and a browser: chromium of the system, or the one that TENSIM_BROWSER names.
//
//     npm run build && node scripts/screenshots.mjs FOLDER [KIND|PAGE.html...]
import { mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { run } from './checks.mjs';
import { root } from './toolchain.mjs';

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) throw new Error('node scripts/screenshots.mjs FOLDER [KIND|PAGE.html...]');
const out = resolve(folder);
mkdirSync(out, { recursive: true });

const SERIES = 'examples/digits-backdoor';
const step = (number) => `${SERIES}/step_0${number}.safetensors`;
/** What makes each page, and the part of the address that is opened as well. */
const PAGES = {
  series: { args: ['matrix', SERIES, '--per-output'] },
  pinned: { args: ['matrix', SERIES, '--per-output'], hash: '#pins=29-30,3-30&zoom=20-37,20-37' },
  set: { args: ['matrix', 'examples/digits-activations', '--measure', 'weights'] },
  sampled: { args: ['matrix', 'examples/digits-seeds', '--max-samples', '8192'] },
  cross: { args: ['matrix', SERIES, '--reference', 'step_06200'] },
  measures: { args: ['matrix', SERIES, '--measure', 'gaussian,weights'] },
  pair: { args: ['compare', step(6000), step(6200), '--per-output'] },
  explain: { args: ['explain', step(6000), step(6200), '--image', '8x8'], hash: '#pins=9-9' },
  bars: { args: ['explain', step(6000), step(6200)] },
  exchange: { args: ['explain', step(6000), step(6200), '--by', 'layers'] },
};

const { TENSIM_BROWSER: given } = process.env;
const browser = await chromium.launch({ executablePath: given ?? '/usr/bin/chromium' });
try {
  for (const [kind, { args, hash = '' }] of Object.entries(PAGES)) {
    if (wanted.length > 0 && !wanted.includes(kind)) continue;
    const file = join(out, `${kind}.html`);
    const { status, output } = run(process.execPath, [join(root, 'dist', 'cli.js'), ...args, '--out', file], {
      cwd: root,
    });
    if (status !== 0) throw new Error(output);
    await shots(kind, `${pathToFileURL(file)}${hash}`);
  }
  for (const page of wanted.filter((name) => name.endsWith('.html')))
    await shots(basename(page, '.html'), `${pathToFileURL(resolve(page))}`);
} finally {
  await browser.close();
}

async function shots(kind, address) {
  for (const width of [1400, 800, 390])
    for (const colorScheme of ['light', 'dark']) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      await page.goto(address);
      await page.waitForTimeout(200);
      await page.screenshot({ path: join(out, `${kind}-${width}-${colorScheme}.png`), fullPage: true });
      await page.close();
    }
}
