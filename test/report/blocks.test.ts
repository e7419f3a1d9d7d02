import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BlocksResult } from '../../lib/blocks/terms.js';
import { blocksSvg } from '../../lib/report/blocks/chart.js';
import { blocksHtml } from '../../lib/report/blocks/page.js';
import { cellOf, levelOfDifference, stripColours, stripOf } from '../../lib/report/blocks/strip.js';
import { blocksText } from '../../lib/report/blocks/text.js';
import { checkBlocksFile, writeBlocks } from '../../lib/report/blocks/write.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { blocksOf, layerOf } from './blocks_fixture.js';
import { checkXml, NASTY } from './helpers.js';

const folder = temporaryFolder();

describe('the strip', () => {
  test('has a row a layer between the embeddings, and a column for what there is', () => {
    const { columns, rows } = stripOf(blocksOf({ unembedding: { cosine: 0.5, nmse: 1, equal: false } }));
    expect(columns).toEqual(['MLP', 'QK', 'OV', 'weights']);
    expect(rows.map(({ name, cells }) => [name, ...cells.map(({ text }) => text)])).toEqual([
      ['embedding', '–', '–', '–', 'equal'],
      ['layer 0', '0.9990', '0.5000', '1', '0.9990'],
      ['layer 1', '0.2500', '0.5000', '1', '0.9990'],
      ['layer 2', '1', '0.5000', '1', '0.9990'],
      ['unembedding', '–', '–', '–', '0.5000'],
    ]);
  });

  test('shows the norm that differs most, where norms were compared', () => {
    const gain = (cosine: number) => ({ gain: { cosine, nmse: 0, equal: cosine === 1 } });
    const layers = [layerOf(0, 1, { norms: [gain(1), gain(0.9)] } as object), layerOf(1, 1)];
    const { columns, rows } = stripOf(blocksOf({ layers }));
    expect(columns).toEqual(['MLP', 'QK', 'OV', 'norms', 'weights']);
    expect(rows.slice(1).map(({ cells }) => cells[3].text)).toEqual(['0.9000', '–']);
  });

  test('has colours by the logarithm of 1 − similarity, with ink that can be read', async () => {
    const colours = await stripColours();
    const top = colours.length - 1;
    expect([2, 1, 1e-3, 1e-9, 1e-15, 0].map(levelOfDifference)).toEqual([0, 0, top / 3, top, top, top]);
    expect(cellOf(-0.5).level).toBe(0);
    expect(cellOf(null)).toEqual({ text: '–', level: null, value: null });
    const brightness = (colour: string) => {
      const parts = colour.startsWith('#')
        ? [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
        : colour.match(/\d+/g)!.map(Number);
      const [red, green, blue] = parts.map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
    };
    for (const { fill, ink } of colours) {
      const [one, other] = [brightness(fill), brightness(ink)];
      expect(Math.max(one, other) / Math.min(one, other)).toBeGreaterThan(4);
    }
    expect(new Set(colours.map(({ fill }) => fill)).size).toBe(colours.length);
  });
});

describe('reports on blocks', () => {
  const rotation = {
    ...{ from: ['embedding'], residual: 1e-3, unturned: 1.4, identity: false, turn: 0.9, orthogonality: 1e-15 },
    ...{ condition: 10, undetermined: 2, keepsMean: false },
  } as NonNullable<BlocksResult['rotation']>;

  test('say the same in text and on the page, and what was left out', async () => {
    const result = blocksOf({ alignment: 'rotation', rotation });
    for (const text of [blocksText(result), await blocksHtml(result), await blocksSvg(result)])
      expect(text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')).toMatch(/It looks like a patch: layer 1/);
    for (const text of [blocksText(result), await blocksHtml(result)]) {
      expect(text).toContain('They differ most in layer 1, in its MLP: similarity 0.2500. It looks like a patch');
      expect(text).toContain('The residual stream was rotated by the embedding: residual 0.001, without it 1.4');
      expect(text).toContain('Of 2 directions it says nothing.');
      expect(text).toMatch(/not compared of (second|tuned)[^s]+scale/);
      expect(text).toMatch(/softmax/);
    }
  });

  test('say where nothing was rotated, and how many units have partners', () => {
    const units = { count: 10, matched: 10, moved: 4, partners: 9, similarity: 0.99 };
    const { mlp } = layerOf(0, 1);
    const text = blocksText(
      blocksOf({
        alignment: 'rotation',
        rotation: { ...rotation, identity: true, undetermined: 0 },
        layers: [layerOf(0, 1, { mlp: { ...mlp!, units } }), layerOf(1, 1, { mlp: { ...mlp!, units } })],
      }),
    );
    expect(text).toContain('Nothing was rotated: no rotation fits the embedding much better than none (residual 1.4).');
    expect(text).toContain('Of 20 hidden units 18 have a partner that is the same to 1e-9; 8 were moved.');
  });

  test.each(NASTY)('keep what a path says in its place: %j', async (path) => {
    const { a, b } = blocksOf();
    const result = blocksOf({ a: { ...a, path }, b: { ...b, left: [path] } });
    const html = await blocksHtml(result);
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).not.toContain('<b>bold');
    expect(html).not.toMatch(/https?:\/\/(?!www\.w3\.org)[^" ]*"/);
    checkXml(await blocksSvg(result));
  });

  test('are of layers without attention, without an MLP, or none', async () => {
    const { attention, mlp, ...rest } = layerOf(0, 0.5);
    for (const layers of [[{ ...rest, mlp: mlp! }], [{ ...rest, attention: attention! }], []]) {
      const result = blocksOf({ layers, worst: null });
      checkXml(await blocksSvg(result));
      expect(await blocksHtml(result)).toContain('</html>');
    }
  });

  test.each([0, 1, 8, 32, 128, 300])('have a picture as wide as what is in it, with %i heads', async (count) => {
    const gain = { gain: { cosine: 0.9, nmse: 0, equal: false } };
    const heads = Array.from({ length: count }, (_, head) => ({ head, answeredBy: head, qk: 0.5, ov: 0.5 }));
    const { attention, ...rest } = layerOf(0, 0.5, { norms: [gain] } as object);
    const layer = count === 0 ? rest : { ...rest, attention: { ...attention!, heads } };
    const svg = await blocksSvg(blocksOf({ layers: [layer] }));
    const [, wide] = /width="([\d.]+)"/.exec(svg)!;
    const rights = [...svg.matchAll(/aria-label="layer 0[^>]*d="M([\d.]+),[\d.]+h([\d.]+)/g)].map(
      ([, x, width]) => Number(x) + Number(width),
    );
    expect(rights.length).toBe(count === 0 ? 3 : 5 + 2 * count);
    expect(Math.max(...rights)).toBeLessThan(Number(wide) - 2 * 16 + 0.5);
    expect(svg.includes('by head')).toBe(count > 0);
  });

  test('are written by the ending of the file', async () => {
    for (const [name, sign] of [
      ['strip.html', '<!doctype html>'],
      ['strip.svg', '<svg'],
      ['strip.json', '{"schema":"tensim.blocks/1"'],
    ]) {
      await writeBlocks(blocksOf(), join(folder, name));
      expect(readFileSync(join(folder, name), 'utf8').slice(0, 40)).toContain(sign);
    }
    expect((await rejection(checkBlocksFile(join(folder, 'strip.csv')))).message).toMatch(/kind of report/);
    expect((await rejection(writeBlocks(blocksOf(), join(folder, 'no', 'strip.svg')))).code).toBe('FILE_NOT_FOUND');
    expect(existsSync(join(folder, 'strip.csv'))).toBe(false);
  });
});
