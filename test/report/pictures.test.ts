import { describe, expect, it } from 'vitest';
import { changeRange } from '../../lib/report/change_axis.js';
import { colourScale, heatmapPng, scaleTicks } from '../../lib/report/colour.js';
import { compareHtml, matrixHtml } from '../../lib/report/html.js';
import { compareSvg, matrixSvg } from '../../lib/report/svg.js';
import { angle } from '../../lib/similarity/series/angle.js';
import { version } from '../../lib/version.js';
import { checkXml, comparison, golden, matrixOf, NASTY, SLICES, seriesOf, symmetric } from './helpers.js';

const { NaN: nan } = Number;
const grey = (t: number) => `rgb(${Math.round(255 * t)}, 0, 0)`;
const scaleOf = (least: number) =>
  colourScale([symmetric(2, () => least)], grey, (t) => `rgb(0, 0, ${Math.round(255 * t)})`);

const nasty = matrixOf(
  NASTY,
  symmetric(NASTY.length, (i, j) => 1 - 0.3 * (j - i) * 0.5),
  Object.fromEntries(NASTY.map((name, k) => [name, symmetric(NASTY.length, () => (k === 1 ? nan : 1 - 0.01 * k))])),
);

describe('colours', () => {
  it('run linearly in the angle, from the least similarity to 1', () => {
    const scale = scaleOf(0);
    expect([0, Math.SQRT1_2, 1].map(scale.position)).toEqual([0, expect.closeTo(0.5, 12), 1]);
    expect([scale.palette[0], scale.palette[254]]).toEqual([
      [0, 0, 0],
      [255, 0, 0],
    ]);
    // 2⁻⁵⁰ is exact in 1 − x; the arccosine of it keeps half its digits.
    expect(angle(1 - 2 ** -50)).toBeCloseTo(2 ** -24.5, 20);
  });

  it('diverge from similarity 0 where models oppose each other', () => {
    const { palette, position } = scaleOf(-1);
    expect([palette[0], palette[254]]).toEqual([
      [0, 0, 255],
      [0, 0, 0],
    ]);
    expect(position(0)).toBeCloseTo(0.5, 12);
  });

  it('have ticks in order and apart, the ends among them', () => {
    for (const least of [-1, -0.3, 0, 0.5, 0.96, 0.99999]) {
      const scale = scaleOf(least);
      const ticks = scaleTicks(scale, 0.1);
      expect([ticks[0], ticks.at(-1)]).toEqual([least, 1]);
      const positions = ticks.map(scale.position);
      for (let i = 1; i < ticks.length; i++)
        expect(positions[i] - positions[i - 1]).toBeGreaterThanOrEqual(0.1 - 1e-12);
    }
  });

  it('average large matrices down to the limit', async () => {
    const side = async (size: number, limit: number) => {
      const png = await heatmapPng(
        symmetric(size, () => nan),
        scaleOf(0),
        limit,
      );
      return png.readUInt32BE(16);
    };
    expect([await side(41, 100), await side(100, 100), await side(101, 100), await side(350, 100)]).toEqual([
      41, 100, 51, 88,
    ]);
  });

  it('keep the axis of changes finite for identical, opposed and undefined models', () => {
    for (const steps of [[], [1, 1], [nan], [-1, 1], [1 - 1e-16, 0.5]]) {
      const { low, high } = changeRange([{ name: '', similarities: Float64Array.from(steps) }]);
      expect(low > 0 && low < high && high <= 2.5).toBe(true);
      expect(high / low).toBeLessThanOrEqual(1e7);
    }
  });
});

describe('SVG', () => {
  it('is well-formed, with one embedded image for the cells and one for the legend, and loads nothing', async () => {
    const svg = await matrixSvg(golden('digits-backdoor'));
    checkXml(svg);
    expect(svg.match(/<image /g)).toHaveLength(2);
    expect(svg.match(/(?:href|src)="(?!data:image\/png;base64,)/g)).toBeNull();
    expect(svg.length).toBeLessThan(60_000);
    expect(svg).toContain('step 6000 → 6200');
  });

  it('escapes labels', async () => {
    for (const svg of [await matrixSvg(nasty), await compareSvg(comparison({ a: NASTY[0], b: NASTY[3] }))]) {
      checkXml(svg);
      expect(svg).not.toContain('<script');
      expect(svg).not.toContain('<b>');
    }
  });

  it('has a bar per output, and says which are undefined', async () => {
    const svg = await compareSvg(comparison({ perOutput: SLICES }));
    checkXml(svg);
    for (const text of ['all', 'output 0', 'output 1', '0.9596', '0.9700', 'undefined'])
      expect(svg).toContain(`>${text}</text>`);
    expect(svg).not.toContain('NaN');
  });

  it('exists for one model, two, and identical ones', async () => {
    for (const steps of [[], [0.3], [1, 1, 1]]) {
      const svg = await matrixSvg(seriesOf(steps));
      checkXml(svg);
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});

interface PageData {
  readonly labels: string[];
  readonly matrices: { packing: string; span: number; cells: string; image?: string }[];
  readonly curves: { low: number; high: number; series: { name: string; similarities: (number | null)[] }[] }[];
}

/** The embedded data, found as a browser finds it: up to the first closing tag. */
function dataOf(html: string): PageData {
  return JSON.parse(html.split('<script type="application/json" id="data">')[1].split('</script>')[0]);
}

describe('HTML', () => {
  it('says what the summary says, and shows heatmap, curves, outputs and provenance', async () => {
    const html = await matrixHtml(golden('digits-backdoor'));
    for (const text of [
      '<h1>Onset at step 6000 → 6200, output 9</h1>',
      'Output 9 changed most there',
      'The largest change in all is step 0 → 200',
      '<option>output 9</option>',
      '<tr class="most"><td>9</td><td>6000 → 6200</td>',
      '<th>backend</th><td>native</td>',
      '<th>models</th><td>41</td>',
      `<th>tensim</th><td>${version}</td>`,
    ])
      expect(html).toContain(text);
    expect(html.match(/class="chart (?:wide|narrow) heatmap"/g)).toHaveLength(2);
    expect(html.match(/class="chart (?:wide|narrow) curve"/g)).toHaveLength(4);
  });

  it('is one file that loads nothing', async () => {
    const html = await matrixHtml(golden('digits-backdoor'));
    expect(html).toContain(`default-src 'none'`);
    expect(html.match(/(?:href|src)\s*=\s*"(?!data:image\/png;base64,)[^"]*"/g)).toBeNull();
    expect(html.replaceAll(/http:\/\/www\.w3\.org\/(?:2000\/svg|1999\/xlink)/g, '')).not.toMatch(
      /https?:|@import|url\(/,
    );
    expect(html.length).toBeLessThan(400_000);
  });

  it('lets no label out of its place', async () => {
    const html = await matrixHtml(nasty);
    // Two scripts of our own, opened and closed once each, whatever the labels say.
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html.match(/<\/script/g)).toHaveLength(2);
    expect(html).not.toContain('<!--');
    expect(html).not.toContain('<b>');
    expect(dataOf(html).labels).toEqual(NASTY);
    checkXml(html.slice(html.indexOf('<main>'), html.indexOf('</main>') + 7));
  });

  it('embeds every cell of a few models as it is', async () => {
    const matrix = golden('digits-forgetting');
    const html = await matrixHtml(matrix);
    const { matrices } = dataOf(html);
    expect(html).not.toContain('similarities are rounded');
    expect(matrices).toHaveLength(11);
    for (const [k, cosine] of [matrix.cosine, ...matrix.perOutput!.cosine].entries()) {
      const bytes = Buffer.from(matrices[k].cells, 'base64');
      const cells = cosine.flatMap((row, i) => [...row.subarray(i)]);
      expect(matrices[k].packing).toBe('float64');
      expect(cells.map((_, at) => bytes.readDoubleLE(8 * at))).toEqual(cells);
      expect(bytes.length).toBe(8 * cells.length);
    }
  });

  it('embeds every cell of many models to four decimals, more near 1, and says so', async () => {
    const whole = golden('digits-forgetting');
    const { cosine: cells, labels } = whole;
    const copies = Array.from({ length: 400 }, (_, i) => i % labels.length);
    const matrix = matrixOf(
      copies.map((of, i) => `${labels[of]} ${i}`),
      copies.map((of) => Float64Array.from(copies, (to) => cells[of][to])),
    );
    const html = await matrixHtml(matrix);
    const { matrices } = dataOf(html);
    expect(html).toContain('similarities are rounded: right to ± 0.0000');
    expect(matrices[0]).toMatchObject({ packing: 'angle16' });
    expect(matrices[0].image).toBeUndefined();
    for (const [k, cosine] of [matrix.cosine].entries()) {
      const bytes = Buffer.from(matrices[k].cells, 'base64');
      let offset = 0;
      for (let i = 0; i < cosine.length; i++) {
        for (let j = i; j < cosine.length; j++, offset += 2) {
          const value = Math.cos((bytes.readUInt16LE(offset) / 65534) * matrices[k].span);
          const error = Math.abs(value - cosine[i][j]);
          expect(error).toBeLessThanOrEqual(3e-5 * Math.sqrt(2 * (1 - cosine[i][j])) + 1e-9);
        }
      }
      expect(offset).toBe(bytes.length);
    }
  });

  it('marks undefined cells and steps', async () => {
    const { matrices, curves } = dataOf(await matrixHtml(seriesOf([0.5, 0.6], { zero: [nan, 0.7] })));
    const bytes = Buffer.from(matrices[1].cells, 'base64');
    expect([0, 1, 2].map((cell) => Number.isNaN(bytes.readDoubleLE(8 * cell)))).toEqual([false, true, false]);
    expect(curves[1].series[0]).toEqual({ name: 'output zero', similarities: [null, 0.7] });
  });

  it('has a script that parses', async () => {
    const html = await matrixHtml(seriesOf([0.5]));
    const script = html.split('<script>')[1].split('</script>')[0];
    expect(() => new Function(script)).not.toThrow();
  });

  it('leaves out the heatmaps of the outputs, and all but the liveliest curves, where they would be too many', async () => {
    const steps = new Array(149).fill(0.99);
    const outputs = Object.fromEntries(Array.from({ length: 100 }, (_, o) => [`${o}`, steps.with(9, o / 100)]));
    const html = await matrixHtml(seriesOf(steps, outputs));
    const { matrices, curves } = dataOf(html);
    expect(matrices).toHaveLength(1);
    expect(html).not.toContain('<select');
    expect(curves[1].series).toHaveLength(64);
    expect(curves[1].series[0].name).toBe('output 0');
    expect(html).toContain('the 64 of 100 that change most');
  });

  it('of a comparison has the number, the bars and no script', async () => {
    const html = await compareHtml(comparison({ a: NASTY[0], perOutput: SLICES }));
    expect(html).toContain('<div class="big">0.959600</div>');
    expect(html).toContain('>output 1</text>');
    expect(html).toContain(`<th>tensim</th><td>${version}</td>`);
    expect(html).not.toContain('<script');
    checkXml(html.slice(html.indexOf('<main>'), html.indexOf('</main>') + 7));
  });

  it('of one model has no curve', async () => {
    const html = await matrixHtml(seriesOf([]));
    expect(html).toContain('1 model, step_00000');
    expect(dataOf(html).curves).toEqual([]);
  });
});
