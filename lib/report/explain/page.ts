import { endianness } from 'node:os';
import { largest } from '../../extremes.js';
import type { ExchangeExplanation, Explanation, FormExplanation } from '../../similarity/explain/types.js';
import { escapeMarkup } from '../../words/markup.js';
import { amountText, percent, similarityText } from '../../words/numbers.js';
import { type About, obtained } from '../about.js';
import { type Bar, barRows } from '../bars.js';
import { type Chart, colourScheme, PAGE, PAPER, type Theme } from '../chart.js';
import script from '../client/pictures.js?bundled';
import { paletteOf } from '../colour.js';
import { bothWidths } from '../figure.js';
import { PINS } from '../html.js';
import { page, scriptedPage } from '../page.js';
import type { Rgb } from '../png.js';
import { INNER_WIDTH, stack, textChart } from '../svg.js';
import { tableBehind } from '../table_behind.js';
import { BARS, directionsChart, highlightsChart, type Picture, picturesOf, scaleChart } from './chart.js';
import { type ImageShape, inputName, strongest } from './inputs.js';
import type { EmbeddedPictures, PicturesData } from './page_data.js';
import { byShare, explanationWords, HYBRID_KEY, HYBRID_PAIRS, pairName } from './words.js';

/** Shares drawn, at most. */
const MOST_SHARES = 24;
const SHARES = 'Part of each output in the squared difference';
const LOSSES = "What each model loses by the other's layer";
const READING = 'Orange entries act together, against blue ones: the two signs of a direction mean the same.';
const CAPTIONS =
  'Below each: its eigenvalue, positive where the output is larger in the second model, and its part of the form; of linear parts the singular value and its part of them.';

/** A page about where two models differ. One file, loads nothing; every label in it is escaped. */
export async function explanationHtml(
  found: Explanation,
  image: ImageShape | null,
  about: About = {},
): Promise<string> {
  const { headline, sentences } = explanationWords(found, image);
  const facts: [string, string][] = [
    ['similarity', similarityText(found.similarity, 6)],
    ...(found.kind === 'forms' ? [['distance', amountText(found.distance)] as [string, string]] : []),
  ];
  const made = `<section class="last"><h2>How this was obtained</h2>${obtained(found, facts, about)}</section>`;
  const [left, right] = found.kind === 'forms' ? await formSections(found, image) : await exchangeSections(found);
  const body = `<main>
<header><p class="over">tensim: where two models differ, ${escapeMarkup(pairName(found))}</p><h1>${escapeMarkup(headline)}</h1><p>${sentences.map(escapeMarkup).join(' ')}</p></header>
<div class="columns">
<div class="column">${left}${found.kind === 'forms' ? PINS : ''}${made}</div>
<div class="column">${right}</div>
</div>
</main>`;
  const title = `tensim: ${headline}`;
  if (found.kind !== 'forms' || found.distance === 0) return page(title, body);
  const { highlights, directions } = picturesOf(found);
  const data: PicturesData = { image, bars: BARS, charts: [embedded(highlights), embedded(directions)] };
  return scriptedPage(title, body, { script, data });
}

/** The same as one picture on white. */
export async function explanationSvg(found: Explanation, image: ImageShape | null): Promise<string> {
  const { headline, sentences } = explanationWords(found, image);
  const width = INNER_WIDTH;
  const charts = [textChart([headline, ...sentences], width)];
  if (found.kind === 'exchange') charts.push(changesChart(found, width, PAPER));
  else if (found.distance > 0) {
    charts.push(
      await highlightsChart(found, { image, palette: await divergingPalette(), width, theme: PAPER }),
      textChart([SHARES], width),
      sharesChart(found, width, PAPER),
      textChart([`Directions of the difference. ${READING} ${CAPTIONS}`], width),
      await directionsChart(found, { image, palette: await divergingPalette(), width, theme: PAPER }),
    );
  }
  return stack(charts);
}

async function formSections(found: FormExplanation, image: ImageShape | null): Promise<[left: string, right: string]> {
  if (found.distance === 0) return ['', ''];
  const palette = await divergingPalette();
  const shares = await bothWidths({ kind: 'bars', name: SHARES }, (width) => sharesChart(found, width, PAGE));
  const highlights = await bothWidths({ kind: 'pictures', name: 'What changed', data: 0 }, (width) =>
    highlightsChart(found, { image, palette, width, theme: PAGE, coordinates: true }),
  );
  const directions = await bothWidths({ kind: 'pictures', name: 'Directions of the difference', data: 1 }, (width) =>
    directionsChart(found, { image, palette, width, theme: PAGE }),
  );
  const scale =
    image === null
      ? ''
      : await bothWidths({ kind: 'bars', name: 'What the colours of the pictures mean' }, (width) =>
          scaleChart({ image, palette, width, theme: PAGE }),
        );
  const pictures = picturesOf(found);
  const entries = (title: string, shown: readonly Picture[]) =>
    tableBehind(`Largest entries: ${title}`, ENTRIES, entriesOf(shown, image));
  const bars = byShare(found.shares).slice(0, MOST_SHARES);
  const sharesTable = tableBehind(
    SHARES,
    ['output', 'part'],
    bars.map((output) => [`output ${output}`, percent(found.shares[output])]),
  );
  return [
    `<section><h2>What changed <small>first directions, and how much depends on each input</small></h2>${highlights}${scale}${entries('what changed', pictures.highlights)}</section>
<section><h2>${SHARES}</h2>${shares}${sharesTable}</section>`,
    `<section><h2>Directions of the difference</h2><p class="note">${READING} ${CAPTIONS}</p>${directions}${entries('directions', pictures.directions)}</section>`,
  ];
}

const ENTRIES = ['picture', 'input: entry, the largest first'];

/** The largest entries of pictures in words. */
function entriesOf(pictures: readonly Picture[], image: ImageShape | null): string[][] {
  return pictures.map(({ title, vector }) => [
    title,
    strongest(vector, BARS)
      .map((index) => `${inputName(index, image)}: ${amountText(vector[index], 3)}`)
      .join(', '),
  ]);
}

function embedded(pictures: readonly Picture[]): EmbeddedPictures {
  const parts = pictures.map(({ vector }) => Buffer.from(Float32Array.from(vector).buffer));
  const swapped = endianness() === 'LE' ? parts : parts.map((part) => part.swap32());
  return { titles: pictures.map(({ title }) => title), entries: Buffer.concat(swapped).toString('base64') };
}

async function exchangeSections(found: ExchangeExplanation): Promise<[left: string, right: string]> {
  const changes = await bothWidths({ kind: 'bars', name: LOSSES }, (width) => changesChart(found, width, PAGE));
  const rows = found.layers.map(
    ({ layer, type, intoA, intoB }) =>
      `<tr><th>${layer}, ${type}</th>${[intoA.toA, intoA.toB, intoB.toB, intoB.toA].map((value) => `<td class="number">${similarityText(value)}</td>`).join('')}</tr>`,
  );
  const head = ['layer', ...HYBRID_PAIRS];
  const cells = head.map((text, i) => `<th${i > 0 ? ' class="number"' : ''}>${text}</th>`).join('');
  return [
    `<section><h2>${LOSSES} <small>1 − similarity to itself</small></h2>${changes}</section>`,
    `<section><h2>Hybrids <small>${escapeMarkup(HYBRID_KEY)}</small></h2><div class="scroll"><table class="outputs"><thead><tr>${cells}</tr></thead><tbody>${rows.join('')}</tbody></table></div></section>`,
  ];
}

function sharesChart({ shares }: FormExplanation, width: number, theme: Theme): Chart {
  const order = byShare(shares).slice(0, MOST_SHARES);
  const bars = order.map((output, i): Bar => {
    const value = shares[output];
    return { name: `output ${output}`, value, text: percent(value), colour: i === 0 ? theme.highlight : theme.accent };
  });
  return barRows(bars, shares[order[0]], width, theme);
}

function changesChart({ layers }: ExchangeExplanation, width: number, theme: Theme): Chart {
  const most = largest(layers.map(({ change }) => change));
  const bars = layers.map(({ layer, type, change }): Bar => {
    const colour = change === most ? theme.highlight : theme.accent;
    return { name: `layer ${layer}, ${type}`, value: change, text: amountText(change, 3), colour };
  });
  return barRows(bars, most > 0 ? most : 1, width, theme);
}

/** From blue over white to orange. */
async function divergingPalette(): Promise<Rgb[]> {
  return paletteOf(await colourScheme('blueorange'));
}
