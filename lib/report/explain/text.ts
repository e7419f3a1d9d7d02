import type { ExchangeExplanation, Explanation, FormExplanation } from '../../similarity/explain/types.js';
import { percent, signedText, similarityText } from '../../words/numbers.js';
import { bold, columns, footnote, pairTitle, type TextOptions } from '../text.js';
import { type ImageShape, inputName, strongest } from './inputs.js';
import { byShare, explanationWords, HYBRID_KEY, HYBRID_PAIRS } from './words.js';

/** Inputs named per direction. */
const NAMES = 6;
/** With more outputs than these, all but the first are listed with their first direction only. */
const FEW_OUTPUTS = 3;
/** Pictures wider than this are not drawn on a terminal. */
const WIDEST = 40;
/** Shares of all outputs are listed up to this many. */
const MOST_SHARES = 20;
const SHADES = ' ░▒▓█';

/** What `tensim explain` prints. */
export function explanationText(
  found: Explanation,
  image: ImageShape | null,
  { colour = false }: TextOptions = {},
): string {
  const { headline, sentences } = explanationWords(found, image);
  const parts = [pairTitle(found), [bold(headline, colour), ...sentences].join('\n')];
  if (found.kind === 'exchange') parts.push(exchangeTable(found));
  else if (found.distance > 0) for (const part of formParts(found, image)) parts.push(part);
  return `${[...parts, footnote(found)].join('\n\n')}\n`;
}

function formParts(found: FormExplanation, image: ImageShape | null): string[] {
  const rows = found.outputs.flatMap(({ output, share, directions }, place) =>
    directions
      .slice(0, place === 0 || found.outputs.length <= FEW_OUTPUTS ? undefined : 1)
      .map(({ value, share: part, vector }, k) => [
        k === 0 ? `${output}` : '',
        k === 0 ? percent(share) : '',
        signedText(value),
        percent(part),
        named(vector, image),
      ]),
  );
  const joint = found.joint.directions.map(({ share, vector }, k) => [
    k === 0 ? 'all' : '',
    '',
    '',
    percent(share),
    named(vector, image),
  ]);
  const linear = (found.joint.linear ?? []).map(({ value, share, vector }, k) => [
    k === 0 ? 'linear' : '',
    k === 0 ? percent(found.parts.linear) : '',
    signedText(value),
    percent(share),
    named(vector, image),
  ]);
  const head = ['output', 'share', 'eigenvalue', 'of its form', 'largest entries'];
  const parts = [columns([head, ...joint, ...rows, ...linear], 'lrrrl')];
  if (linear.length > 0) parts.push('linear: the linear parts of all outputs together, by singular values');
  const silent = byShare(found.shares).filter((output) => !found.outputs.some((shown) => shown.output === output));
  if (silent.length > 0) {
    const shares = silent.slice(0, MOST_SHARES).map((output) => `${output} ${percent(found.shares[output])}`);
    parts.push(`shares of other outputs: ${shares.join(', ')}${silent.length > MOST_SHARES ? ' …' : ''}`);
  }
  const pictures = image && picturesText(found, image);
  if (pictures) parts.unshift(pictures);
  return parts;
}

/** "+(7, 7) −(5, 3) …": the largest entries with their signs. */
function named(vector: Float64Array, image: ImageShape | null): string {
  return strongest(vector, NAMES)
    .map((index) => `${vector[index] < 0 ? '−' : '+'}${inputName(index, image)}`)
    .join(' ');
}

/**
 * The first direction of the output that differs most beside the joint one, as pictures of the size of their entries.
 */
function picturesText(found: FormExplanation, image: ImageShape): string | null {
  const { channels, height, width } = image;
  const [first] = found.outputs;
  const shown = [
    ...(first?.directions.slice(0, 1).map(({ vector }) => ({ title: `output ${first.output}`, vector })) ?? []),
    ...found.joint.directions.slice(0, 1).map(({ vector }) => ({ title: 'all outputs', vector })),
  ];
  if (channels > 1 || width > WIDEST || shown.length === 0) return null;
  const blocks = shown.map(({ title, vector }) => {
    const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const line = (row: number) =>
      Array.from(vector.subarray(row * width, (row + 1) * width), (value) =>
        SHADES[Math.round((Math.abs(value) / largest) * (SHADES.length - 1))].repeat(2),
      ).join('');
    const room = Math.max(2 * width, title.length);
    return [title, ...Array.from({ length: height }, (_, row) => line(row))].map((text) => text.padEnd(room));
  });
  return blocks[0]
    .map((_, i) =>
      blocks
        .map((block) => block[i])
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

function exchangeTable({ layers }: ExchangeExplanation): string {
  const rows = layers.map(({ layer, type, change, intoA, intoB }) => [
    `${layer}`,
    type,
    Number.isFinite(change) ? change.toPrecision(3) : 'undefined',
    similarityText(intoA.toA),
    similarityText(intoA.toB),
    similarityText(intoB.toB),
    similarityText(intoB.toA),
  ]);
  return `${columns([['layer', 'type', 'change', ...HYBRID_PAIRS], ...rows], 'llrrrrr')}\n${HYBRID_KEY}`;
}
