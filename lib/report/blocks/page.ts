import type { BlockSubject, BlocksResult, LayerComparison } from '../../blocks/terms.js';
import { version } from '../../version.js';
import { escapeMarkup } from '../../words/markup.js';
import { quoted } from '../../words/names.js';
import { errorText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
import { type About, folded, sourcesOf } from '../about.js';
import script from '../client/strip.js?bundled';
import { degreeTable } from '../degrees.js';
import { definitionTable, scriptedPage } from '../page.js';
import { backendsText } from './backends.js';
import { cellOf, levelOfDifference, STRIP_TICKS, type Strip, type StripCell, stripColours, stripOf } from './strip.js';
import type { LayerDetails, StripData } from './strip_data.js';
import { ALIGNED, rotationSentence, sentencesOf, unitSentences } from './words.js';

type Colours = StripData['colours'];

const STYLE = `
.strip { border-spacing: 2px; border-collapse: separate; table-layout: fixed; }
.strip th, .strip td { padding: 3px 8px; text-align: center; }
.strip th[scope="row"] { text-align: left; padding: 0 8px 0 0; width: 8em; }
.strip tr.chosen th[scope="row"] button { border-color: var(--accent); color: var(--accent); font-weight: 600; }
.strip tbody tr:has(button) { cursor: pointer; }
.strip button { font: inherit; width: 100%; text-align: left; color: inherit; background: none; cursor: pointer;
  border: 1px solid transparent; border-radius: 5px; padding: 2px 6px; }
.strip button:hover { border-color: var(--line); }
.strip td, .cell { border-radius: 4px; overflow-wrap: normal; white-space: nowrap; }
.strip .end { padding-left: 7px; }
.heads .cell, .heads td { padding: 3px 10px; text-align: center; }
.heads th { text-align: center; }
h3 { margin: 12px 0 4px; font-size: 13px; font-weight: 600; }
.ramp { display: flex; justify-content: space-between; font-size: 12px; padding: 3px 8px; border-radius: 4px; margin-top: 10px; }
@media (max-width: 560px) { .strip { min-width: 470px; } .strip th, .strip td { padding: 3px 2px; font-size: 11.5px; } .strip th[scope="row"] { width: 6.5em; } }
`;

/** A page about two transformers, block by block. One file, loads nothing; every name in it is escaped. */
export async function blocksHtml(result: BlocksResult, about: About = {}): Promise<string> {
  const { a, b, layers, worst } = result;
  const strip = stripOf(result);
  const colours = await stripColours();
  const title = `${oneLine(a.path)} and ${oneLine(b.path)}`;
  const body = `<main>
<header><p class="over">tensim: two transformers, block by block</p><h1>${escapeMarkup(title)}</h1><p>${sentencesOf(result).map(escapeMarkup).join(' ')}</p></header>
<div class="columns">
<div class="column"><section><h2>Layers <small>similarity; colour by 1 − similarity, logarithmic; choose a layer</small></h2>${tableOf(strip)}${rampOf()}</section>
<section class="last"><h2>How this was obtained</h2>${definitionTable(facts(result))}${folded(sourcesOf(result), about)}</section></div>
<div class="column"><section id="detail" aria-live="polite"><p class="note">Heads and degrees of a layer are shown here by the script of the page.</p></section></div>
</div>
</main>`;
  const data: StripData = {
    colours,
    columns: strip.columns,
    rows: strip.rows.map(({ name, cells }) => ({ name, values: cells.map(({ value }) => value) })),
    layers: layers.map(detailsOf),
    first: Math.max(
      0,
      layers.findIndex(({ layer }) => layer === worst?.layer),
    ),
  };
  return scriptedPage(`tensim: ${title}`, body, { script, data, style: `${STYLE}${styleOf(colours)}` });
}

function tableOf({ columns, rows }: Strip): string {
  const head = columns.map((name) => `<th scope="col">${name}</th>`).join('');
  const lines = rows.map(({ name, cells, layer }) => {
    const label = layer === undefined ? `<span class="end">${name}</span>` : `<button type="button">${name}</button>`;
    const fields = cells.map((cell, at) => fieldOf(cell, `${name}, ${columns[at]}: ${cell.text}`));
    return `<tr><th scope="row">${label}</th>${fields.join('')}</tr>`;
  });
  return `<div class="scroll"><table class="strip"><thead><tr><th scope="col">layer</th>${head}</tr></thead><tbody>${lines.join('\n')}</tbody></table></div>`;
}

function fieldOf({ text, level }: StripCell, title: string): string {
  if (level === null) return `<td>${text}</td>`;
  return `<td class="level-${level}" title="${title}">${text}</td>`;
}

function rampOf(): string {
  const ticks = STRIP_TICKS.map(({ difference, text }, at) => {
    const words = at === 0 ? `1 − similarity ≤ ${text}` : text;
    return `<span class="ink-${levelOfDifference(difference)}">${words}</span>`;
  });
  return `<div class="ramp">${ticks.join('')}</div>`;
}

/** Colours by classes: the policy of the page forbids styles of single elements. */
function styleOf(colours: Colours): string {
  const levels = colours.map(
    ({ fill, ink }, level) =>
      `.strip .level-${level} { background: ${fill}; color: ${ink}; } .ink-${level} { color: ${ink}; }`,
  );
  const stops = colours.map(({ fill }) => fill).reverse();
  return `${levels.join('\n')}\n.ramp { background: linear-gradient(to right, ${stops.join(', ')}); }\n`;
}

function detailsOf(comparison: LayerComparison): LayerDetails {
  const { layer, mlp, attention } = comparison;
  const facts: [string, string][] = [];
  if (mlp !== undefined) {
    facts.push(['MLP, similarity', cellOf(mlp.similarity).text], ['MLP, fidelity error', errorText(mlp.fidelityError)]);
    if (!mlp.exact)
      facts.push(['MLP, standard error', mlp.standardError === null ? '–' : errorText(mlp.standardError)]);
  }
  if (attention?.ov) facts.push(['sum of heads, fidelity error', errorText(attention.ov.fidelityError)]);
  if (attention?.normalised) facts.push(['queries and keys', 'normalised: compared before that']);
  for (const sentence of unitSentences([comparison])) facts.push(['hidden units', sentence]);
  return {
    title: `Layer ${layer}`,
    facts,
    degrees: mlp?.byDegree === undefined ? [] : degreeTable(mlp.byDegree),
    heads: (attention?.heads ?? []).map(({ head, answeredBy, qk, ov }) => {
      const [scores, values] = [cellOf(qk), cellOf(ov)];
      return [head, answeredBy, scores.text, scores.level, values.text, values.level] as const;
    }),
  };
}

function facts(result: BlocksResult): [string, string][] {
  const { a, b, input, window, alignment, rotation, layers, width } = result;
  const subject = (name: string, { path, layout, sha256, left }: BlockSubject): [string, string][] => [
    [name, `${oneLine(path)} (${layout}), SHA-256 ${sha256 === '' ? 'not known yet' : `${sha256.slice(0, 16)}…`}`],
    ...(left.length === 0 ? [] : [[`not compared of ${name}`, quoted(left)] as [string, string]]),
  ];
  return [
    ...subject('first', a),
    ...subject('second', b),
    ['softmax', 'left out: blocks are compared one by one, which is no similarity of the networks as wholes'],
    [
      'input of a block',
      input === 'standard' ? 'independent and standard normal, behind the division of its norm' : input,
    ],
    ['scores', `over ${window} offsets between query and key`],
    ['alignment', `${alignment}: ${ALIGNED[alignment]}`],
    ...(rotation === undefined ? [] : [['rotation', rotationSentence(rotation)] as [string, string]]),
    ...unitSentences(layers).map((sentence): [string, string] => ['hidden units', sentence]),
    ['width of the stream', `${width}`],
    ['backend', backendsText(result)],
    ['tensim', version],
  ];
}
