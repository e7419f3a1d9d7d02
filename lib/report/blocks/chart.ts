import type { Mark } from 'vega';
import type { BlocksResult } from '../../blocks/terms.js';
import { oneLine } from '../../words/quoting.js';
import { type Chart, PAPER, type TextItem, textMark } from '../chart.js';
import { textWidth } from '../chart_text.js';
import { INNER_WIDTH, stack, textChart } from '../svg.js';
import { cellOf, levelOfDifference, STRIP_TICKS, stripColours, stripOf } from './strip.js';
import { sentencesOf } from './words.js';

const ROW = 20;
const HEADING = 18;
const CELL = 74;
const GAP = 2;
/** Pixels that the heads of one circuit may take in a row. */
const HEADS = 190;
const MOST_HEAD = 12;
const BY_HEAD = { qk: 'QK by head', ov: 'OV by head' };
const LEGEND = '1 − similarity';

/** The strip as a picture on white: a row a layer, with all heads beside it. */
export async function blocksSvg(result: BlocksResult): Promise<string> {
  const { a, b } = result;
  const words = [`${oneLine(a.path)} and ${oneLine(b.path)}`, sentencesOf(result).join(' ')];
  const strip = await stripChart(result);
  return stack([textChart(words, Math.max(strip.width, INNER_WIDTH)), strip]);
}

async function stripChart(result: BlocksResult): Promise<Chart> {
  const { columns, rows } = stripOf(result);
  const colours = await stripColours();
  const left = rows.reduce((widest, { name }) => Math.max(widest, textWidth(name)), 0) + 10;
  const headsAt = left + columns.length * CELL + 12;
  const most = rows.reduce((count, { layer }) => Math.max(count, layer?.attention?.heads.length ?? 0), 0);
  const head = Math.max(1, Math.min(MOST_HEAD, Math.floor(HEADS / Math.max(1, most))));
  const wideHeads = Math.max(most * head, textWidth(BY_HEAD.ov));
  const second = headsAt + wideHeads + 14;
  const fields: Mark[] = [];
  const inks = new Map<string, TextItem[]>();
  const write = (ink: string, item: TextItem) => inks.set(ink, [...(inks.get(ink) ?? []), item]);
  const field = (level: number, x: number, y: number, wide: number, tip: string) =>
    fields.push(rectangle(colours[level].fill, x, y, wide, tip));
  for (const [at, { name, cells, layer }] of rows.entries()) {
    const y = HEADING + at * ROW;
    write(PAPER.ink, { x: 0, y: y + ROW / 2, text: name });
    for (const [column, { text, level }] of cells.entries()) {
      const x = left + column * CELL;
      if (level !== null) field(level, x, y, CELL - GAP, `${name}, ${columns[column]}: ${text}`);
      write(level === null ? PAPER.muted : colours[level].ink, { x: x + 8, y: y + ROW / 2, text });
    }
    for (const one of layer?.attention?.heads ?? [])
      for (const [start, of] of [
        [headsAt, 'qk'],
        [second, 'ov'],
      ] as const) {
        const { level, text } = cellOf(one[of]);
        const x = start + one.head * head;
        if (level !== null)
          field(level, x, y, Math.max(1, head - GAP), `${name}, head ${one.head}, ${of.toUpperCase()}: ${text}`);
      }
  }
  for (const [column, name] of columns.entries())
    write(PAPER.muted, { x: left + column * CELL + 8, y: HEADING / 2, text: name });
  if (most > 0) {
    write(PAPER.muted, { x: headsAt, y: HEADING / 2, text: BY_HEAD.qk });
    write(PAPER.muted, { x: second, y: HEADING / 2, text: BY_HEAD.ov });
  }
  const y = HEADING + rows.length * ROW + 10;
  const wide = (columns.length * CELL - GAP) / colours.length;
  for (const level of colours.keys()) field(level, left + (colours.length - 1 - level) * wide, y, wide + 0.5, '');
  for (const { difference, text } of STRIP_TICKS) {
    const at = (colours.length - 1 - levelOfDifference(difference)) * wide;
    write(PAPER.muted, { x: left + Math.min(at, columns.length * CELL - 26), y: y + ROW + 10, text });
  }
  write(PAPER.muted, { x: headsAt, y: y + ROW / 2, text: LEGEND });
  const height = y + ROW + 22;
  return {
    width: Math.max(headsAt + textWidth(LEGEND), most > 0 ? second + wideHeads : 0),
    height,
    plot: { x: left, y: HEADING, width: columns.length * CELL, height: rows.length * ROW },
    marks: [...fields, ...[...inks].map(([ink, items]) => textMark(items, ink, { baseline: { value: 'middle' } }))],
  };
}

function rectangle(fill: string, x: number, y: number, width: number, tip: string): Mark {
  const place = { x: { value: x }, y: { value: y }, width: { value: width }, height: { value: ROW - GAP } };
  const description = tip === '' ? {} : { description: { value: tip } };
  return { type: 'rect', encode: { update: { ...place, fill: { value: fill }, ...description } } };
}
