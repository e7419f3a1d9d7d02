import { describe, expect, it } from 'vitest';
import { imageShape, picturePng } from '../../lib/report/explain/image.js';
import { inputName, strongest } from '../../lib/report/explain/inputs.js';
import { explanationJson } from '../../lib/report/explain/json.js';
import { explanationHtml, explanationSvg } from '../../lib/report/explain/page.js';
import { explanationText } from '../../lib/report/explain/text.js';
import { explanationWords } from '../../lib/report/explain/words.js';
import type { ExchangeExplanation } from '../../lib/similarity/explain/types.js';
import { along, formsOf, info } from './explain_fixture.js';
import { checkXml, NASTY } from './helpers.js';

/** With activations. */
const activated = formsOf({
  parts: { quadratic: 0.5, linear: 0.3, mean: 0, higher: 0.2 },
  joint: {
    ...formsOf().joint,
    linear: [{ value: 1.5, share: 0.9, vector: along([5, 0.8], [1, 0.6]), outputs: Float64Array.of(0.6, -0.8, 0) }],
  },
});

const exchange: ExchangeExplanation = {
  ...info,
  kind: 'exchange',
  a: 'a',
  b: 'b',
  similarity: 0.5,
  layers: [
    { layer: 1, type: 'linear', intoA: { toA: 1, toB: 0.5 }, intoB: { toA: 0.5, toB: 1 }, change: 0 },
    { layer: 2, type: 'bilinear', intoA: { toA: 0.6, toB: 0.9 }, intoB: { toA: 0.8, toB: 0.4 }, change: 0.5 },
  ],
};

const image = { channels: 1, height: 2, width: 3 };

describe('the shape of an image', () => {
  it('is height and width, after channels', () => {
    expect(imageShape('2x3', 6)).toEqual(image);
    expect(imageShape('3x1X2', 6)).toEqual({ channels: 3, height: 1, width: 2 });
  });

  it.each(['', '6', 'x', '2x', '2x3x1x1', '-2x-3', '2.0x3', '2x3 ', '4x4', '0x0', '1e3x1'])('is not %j', (text) => {
    expect(() => imageShape(text, 6)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('names inputs by their place', () => {
    expect(inputName(5, null)).toBe('5');
    expect(inputName(5, image)).toBe('(1, 2)');
    expect(inputName(5, { channels: 3, height: 1, width: 2 })).toBe('(2, 0, 1)');
  });
});

describe('the strongest entries', () => {
  it('come first by size, and stop where they hold enough', () => {
    const vector = along([1, -0.8], [4, 0.6]);
    expect(strongest(vector, 6)).toEqual([1, 4]);
    expect(strongest(vector, 1)).toEqual([1]);
    expect(strongest(vector, 6, 0.5)).toEqual([1]);
  });
});

it('pictures lay channels side by side', async () => {
  const png = await picturePng(along([0, 1]), { channels: 3, height: 1, width: 2 }, [[0, 0, 0]], () => 0);
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([8, 1]);
});

describe('an explanation in words', () => {
  it('names the output, the direction and what it is made of', () => {
    const { headline, sentences } = explanationWords(formsOf(), image);
    expect(headline).toBe('Output 1 differs most: 70 % of the difference');
    expect(sentences).toEqual([
      'step 100 → 200: similarity 0.9000, distance 2.5, of which 90 % in the quadratic forms, 10 % in the linear parts.',
      'Output 1 carries 70 % of the squared difference, the next, output 0, 25 %.',
      'Its first direction is 75 % of its form and makes it smaller in step_200; it has half of its energy on pixel (1, 2).',
      'The direction that matters most to all outputs together has half of its energy on pixel (1, 2).',
    ]);
    expect(explanationWords(formsOf(), null).sentences[2]).toContain('on input 5.');
  });

  it('tells what directions leave to higher degrees, and how the linear parts go together', () => {
    const { sentences } = explanationWords(activated, image);
    expect(sentences[0]).toContain(
      'of which 50 % in the quadratic forms, 30 % in the linear parts, 20 % in higher degrees.',
    );
    expect(sentences).toContain('Means and directions explain 80 % of the difference; the rest is of higher degree.');
    expect(sentences).toContain(
      'The first direction of the linear parts is 90 % of them; it has half of its energy on pixel (1, 2).',
    );
    const none = { ...activated, parts: { quadratic: 0.6, linear: 0.4, mean: 0, higher: 0 } };
    expect(explanationWords(none, image).sentences).toContain('Means and directions explain 100 % of the difference.');
  });

  it('says that there is nothing to explain', () => {
    const { headline } = explanationWords(formsOf({ distance: 0, outputs: [], shares: new Float64Array(3) }), null);
    expect(headline).toBe('The two compute the same function');
  });

  it('names the layer that changed', () => {
    const { headline, sentences } = explanationWords(exchange, null);
    expect(headline).toBe('Layer 2, bilinear, changed most');
    expect(sentences[1]).toBe(
      'With layer 2 of b, a is left with a similarity to itself of 0.6000, and comes to 0.9000 of b.',
    );
  });
});

describe('an explanation as text', () => {
  it('draws small pictures, and lists directions with their largest entries', () => {
    const text = explanationText(formsOf(), image);
    expect(text).toContain('output 1   all outputs\n    ▓▓         ▓▓\n    ██         ██\n');
    expect(text).toMatch(/^1 +70 % +−4 +75 % +\+\(1, 2\) −\(0, 2\)$/m);
    expect(text).toMatch(/^shares of other outputs: 2 5\.0 %$/m);
    expect(explanationText(formsOf(), null)).not.toContain('█');
  });

  it('lists the directions of the linear parts', () => {
    const text = explanationText(activated, image);
    expect(text).toMatch(/^linear +30 % +\+1\.5 +90 % +\+\(1, 2\) \+\(0, 1\)$/m);
    expect(explanationText(formsOf(), image)).not.toMatch(/^linear/m);
  });

  it('tables the hybrids', () => {
    expect(explanationText(exchange, null)).toMatch(/^2 +bilinear +0\.500 +0\.6000 +0\.9000 +0\.4000 +0\.8000$/m);
  });
});

describe('pictures of an explanation', () => {
  it.each([null, image])('are whole with %j', async (shape) => {
    for (const found of [formsOf(), exchange, formsOf({ distance: 0, outputs: [], shares: new Float64Array(3) })]) {
      const svg = await explanationSvg(found, shape);
      checkXml(svg);
      const html = await explanationHtml(found, shape);
      expect(html).toContain('<!doctype html>');
      const shown = html.replace(/<script>.*<\/script>/s, '');
      expect(shown).not.toMatch(/NaN|undefined|(?:src|href)="(?!data:)/);
    }
    const svg = await explanationSvg(formsOf(), shape);
    // Three large ones, one joint, three of output 1; the linear part is the last of these.
    expect(svg.match(/<image /g) ?? []).toHaveLength(shape === null ? 0 : 7);
    expect(svg).toContain('linear, 20 %');
    const pictures = (await explanationSvg(activated, shape)).match(/<image /g) ?? [];
    expect(pictures).toHaveLength(shape === null ? 0 : 8);
  });

  it.each(NASTY)('let no label out: %j', async (label) => {
    for (const found of [formsOf({ a: label, b: label }), { ...exchange, a: label, b: `${label}!` }]) {
      checkXml(await explanationSvg(found, null));
      const html = await explanationHtml(found, null);
      // The page's own data and script stand at its end.
      expect(html.split('<script type="application/json" id="data">')[0]).not.toMatch(/<script|<b>bold|<!-- /);
      expect(html.match(/<script/g) ?? []).toHaveLength(found.kind === 'forms' ? 2 : 0);
    }
  });
});

it('as JSON it is tensim.explain/1, with plain lists', () => {
  const found = JSON.parse(JSON.stringify(explanationJson(formsOf())));
  expect(found).toMatchObject({
    schema: 'tensim.explain/1',
    kind: 'forms',
    measure: 'gaussian',
    shares: [0.25, 0.7, 0.05],
  });
  expect(found.outputs[0].directions[0]).toEqual({ value: -4, share: 0.75, vector: [0, 0, -0.6, 0, 0, 0.8] });
  expect(found.outputs[0].linear).toEqual([0, 0, 0, 1, 0, 0]);
  expect(found.joint.energy).toEqual([0, 0, 0.36, 0, 0, 0.64]);
  const { joint, parts } = JSON.parse(JSON.stringify(explanationJson(activated)));
  expect(joint.linear).toEqual([{ value: 1.5, share: 0.9, vector: [0, 0.6, 0, 0, 0, 0.8], outputs: [0.6, -0.8, 0] }]);
  expect(parts.higher).toBe(0.2);
  expect(JSON.parse(JSON.stringify(explanationJson(exchange)))).toEqual({ schema: 'tensim.explain/1', ...exchange });
});
