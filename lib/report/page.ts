import { createHash } from 'node:crypto';
import { escapeMarkup } from '../words/markup.js';
import { jsonText } from '../words/quoting.js';
import script from './client/main.js?bundled';
import type { PageData } from './page_data.js';

/** What makes a page move: its script, the data that it reads, and styles besides those of all pages. */
export interface PageScript {
  readonly script: string;
  readonly data: object;
  readonly style?: string;
  /** Whether the script may speak to where the page came from. */
  readonly connects?: boolean;
}

/**
 * A page with everything inline: nothing is loaded, from the network or from beside it. With data come hover, touch and
 * arrow keys for the charts: the script of client/.
 */
export function page(title: string, body: string, data: PageData | null = null): string {
  return scriptedPage(title, body, data && { script, data });
}

/** The same with a script of its own. */
export function scriptedPage(title: string, body: string, own: PageScript | null): string {
  const scripts =
    own === null
      ? ''
      : `<script type="application/json" id="data">${scriptJson(own.data)}</script>\n<script>${own.script}</script>\n`;
  const style = `${STYLE}${own?.style ?? ''}`;
  const policy = [
    ["default-src 'none'", 'img-src data:', `style-src ${digest(style)}`],
    [`script-src ${own === null ? "'none'" : digest(own.script)}`, "base-uri 'none'", "form-action 'none'"],
    own?.connects ? ["connect-src 'self'"] : [],
  ].flat();
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="tensim">
<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">
<title>${escapeMarkup(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
${scripts}</body>
</html>
`;
}

/** How a policy names the one text that may act: nothing else does, whatever gets into the page. */
function digest(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** A table of names and values. */
export function definitionTable(rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(([name, value]) => `<tr><th>${escapeMarkup(name)}</th><td>${escapeMarkup(value)}</td></tr>`);
  return `<table class="facts">${lines.join('')}</table>`;
}

/** JSON that no label can break out of its script element with: neither `</script>` nor `<!--` survives. */
function scriptJson(data: object): string {
  return jsonText(data).replace(/[<>&]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const STYLE = `
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #ffffff; --ink: #1c2330; --muted: #667085; --line: #e1e5ec;
  --accent: #2b6cb0; --highlight: #d6410f; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f1319; --card: #161b23; --ink: #e8ebf0; --muted: #98a2b3;
  --line: #2b3340; --accent: #7ab3ef; --highlight: #ff8a5c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.45;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 20px 24px 28px; }
header { margin-bottom: 16px; }
header .over { margin: 0; color: var(--muted); font-size: 13px; overflow-wrap: anywhere; }
h1 { margin: 2px 0 4px; font-size: 27px; line-height: 1.2; letter-spacing: -0.01em; overflow-wrap: anywhere; }
header p { margin: 0; max-width: 82em; overflow-wrap: anywhere; }
h2 { margin: 0 0 6px; font-size: 14px; font-weight: 600; }
h2 small { color: var(--muted); font-size: 12.5px; font-weight: 400; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; min-width: 0; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 14px; align-items: start; }
.measures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(330px, 100%), 1fr)); gap: 14px; margin-bottom: 14px; }
.column { display: grid; gap: 14px; min-width: 0; }
.bar { display: flex; flex-wrap: wrap; gap: 4px 12px; justify-content: space-between; align-items: baseline; }
select { font: inherit; font-size: 13px; max-width: 100%; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 5px; padding: 2px 6px; }
button { font: inherit; font-size: 12.5px; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 5px; padding: 2px 8px; cursor: pointer; }
button:hover { border-color: var(--accent); }
.tools { display: flex; flex-wrap: wrap; gap: 4px 6px; align-items: center; margin: 0 0 6px; color: var(--muted); font-size: 12px; }
.pin-line { display: flex; flex-wrap: wrap; gap: 2px 8px; align-items: baseline; padding: 4px 0; }
.pin-line .pair, code { overflow-wrap: anywhere; min-width: 0; }
.pin-line .command { flex-basis: 100%; font-size: 12.5px; }
caption { text-align: left; color: var(--muted); font-size: 12.5px; }
.outputs td.most { color: var(--highlight); font-weight: 600; }
.chart { position: relative; isolation: isolate; touch-action: pan-y; outline-offset: 3px; border-radius: 4px; }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; font-variant-numeric: tabular-nums; }
.narrow { display: none; }
.overlay { position: absolute; inset: 0; pointer-events: none; mix-blend-mode: difference; }
.chart svg.enlarged { overflow: hidden; }
.enlarged * { vector-effect: non-scaling-stroke; }
.enlarged text { fill: var(--muted); font: 11.5px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.enlarged .mark-symbol { display: none; }
.part svg.marks > g :is(.cells, .labels, .frame, .step, .series) { visibility: hidden; }
.tiles { position: absolute; }
.tiled.part .cells, .tiled.drawn .cells { visibility: hidden; }
.pin, .brush { fill: none; stroke: #fff; vector-effect: non-scaling-stroke; }
.pin { stroke-width: 2.5; }
.brush { fill: #fff; fill-opacity: 0.2; stroke-dasharray: 4 3; }
.cross { stroke: #fff; stroke-width: 1; fill: none; vector-effect: non-scaling-stroke; }
.tip { position: fixed; z-index: 2; left: 0; top: 0; max-width: min(340px, 90vw); padding: 6px 9px; border-radius: 6px;
  background: var(--ink); color: var(--paper); font-size: 12.5px; line-height: 1.4; pointer-events: none; white-space: pre-line;
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; color: var(--muted); padding: 2px 12px 2px 0; white-space: nowrap; }
td { padding: 2px 0; overflow-wrap: anywhere; }
.outputs th, .outputs td { border-top: 1px solid var(--line); padding: 3px 10px 3px 0; }
.outputs thead th { border-top: 0; }
.outputs .number { text-align: right; overflow-wrap: normal; }
.outputs .number:last-child { padding-right: 0; }
.outputs tr.most td { color: var(--highlight); font-weight: 600; }
.facts { width: auto; } .facts th { white-space: normal; overflow-wrap: anywhere; min-width: 6em; }
details > summary { cursor: pointer; color: var(--muted); font-size: 12.5px; padding: 4px 0; }
.files td { overflow-wrap: anywhere; min-width: 9em; }
.menu { position: relative; }
.menu > summary { list-style: none; padding: 2px 8px; border: 1px solid var(--line); border-radius: 5px; color: inherit; }
.menu > div { display: flex; flex-wrap: wrap; gap: 4px; padding-top: 4px; }
.seen { margin-top: 6px; }
.note { margin: 0 0 10px; color: var(--muted); font-size: 12.5px; }
.scroll { overflow-x: auto; } .scroll .outputs:not(.files) td { overflow-wrap: break-word; }
.pins .scroll { max-height: 340px; overflow-y: auto; }
.big { font-size: 44px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.1; }
@media (max-width: 900px) { .columns { grid-template-columns: minmax(0, 1fr); }
  .column { display: contents; } .last { order: 1; } }
@media (max-width: 560px) { main { padding: 14px 10px 20px; } section { padding: 10px; } h1 { font-size: 22px; }
  .wide { display: none; } .narrow { display: block; } .outputs thead th { white-space: normal; } }
@media print { body { background: none; } main { padding: 0; } .tools, .seen, .tip, select, .chart .overlay, button { display: none; }
  .columns, .column, .measures { display: block; } section { break-inside: avoid; margin-bottom: 12px; }
  section:has(table, .pictures) { break-inside: auto; } tr { break-inside: avoid; } .chart { max-width: 600px; }
  .wide { display: block; } .narrow { display: none; } .scroll, .pins .scroll { overflow: visible; max-height: none; } }
`;
