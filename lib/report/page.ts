import { escapeMarkup } from '../words/numbers.js';

/** A page with everything inline: nothing is loaded, from the network or from beside it. */
export function page(title: string, body: string, data: unknown = null): string {
  const script =
    data === null
      ? ''
      : `<script type="application/json" id="data">${scriptJson(data)}</script>\n<script>${SCRIPT}</script>\n`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="tensim">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeMarkup(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
${script}</body>
</html>
`;
}

/** A table of names and values. */
export function definitionTable(rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(([name, value]) => `<tr><th>${escapeMarkup(name)}</th><td>${escapeMarkup(value)}</td></tr>`);
  return `<table class="facts">${lines.join('')}</table>`;
}

/** JSON that no label can break out of its script element with: neither `</script>` nor `<!--` survives. */
function scriptJson(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
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
.chart { position: relative; touch-action: pan-y; outline-offset: 3px; border-radius: 4px; }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; font-variant-numeric: tabular-nums; }
.narrow { display: none; }
.cross { stroke: #fff; mix-blend-mode: difference; stroke-width: 1; fill: none; pointer-events: none; vector-effect: non-scaling-stroke; }
.tip { position: fixed; z-index: 2; left: 0; top: 0; max-width: min(340px, 90vw); padding: 6px 9px; border-radius: 6px;
  background: var(--ink); color: var(--paper); font-size: 12.5px; line-height: 1.4; pointer-events: none; white-space: pre-line;
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; color: var(--muted); padding: 2px 12px 2px 0; white-space: nowrap; }
td { padding: 2px 0; overflow-wrap: anywhere; }
.outputs th, .outputs td { border-top: 1px solid var(--line); padding: 3px 10px 3px 0; }
.outputs thead th { border-top: 0; }
.outputs .number { text-align: right; }
.outputs .number:last-child { padding-right: 0; }
.outputs tr.most td { color: var(--highlight); font-weight: 600; }
.facts { width: auto; }
.note { margin: 0 0 10px; color: var(--muted); font-size: 12.5px; }
.scroll { overflow-x: auto; }
.big { font-size: 44px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.1; }
@media (max-width: 900px) { .columns { grid-template-columns: minmax(0, 1fr); }
  .column { display: contents; } .last { order: 1; } }
@media (max-width: 560px) { main { padding: 14px 10px 20px; } section { padding: 10px; } h1 { font-size: 22px; }
  .wide { display: none; } .narrow { display: block; } }
@media print { body { background: none; } section { break-inside: avoid; } }
`;

/**
 * Hover, touch and arrow keys for the charts. The geometry comes with each chart (`data-plot`: x, y, width, height in the
 * coordinates of its SVG), the values from the embedded data: the cells of a matrix are the angles between models, 16 bits
 * each, above the diagonal (or all, where columns are other models than rows) and row by row.
 */
const SCRIPT = `
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  // Rows against columns have labels of their own for these.
  const labels = data.labels, columnLabels = data.columnLabels || labels, count = columnLabels.length;
  const tip = document.body.appendChild(Object.assign(document.createElement('div'), { className: 'tip', hidden: true }));
  const unpacked = new Map();
  let slice = 0;

  function similarity(matrix, i, j) {
    const square = columnLabels === labels;
    if (square && i > j) [i, j] = [j, i];
    const { cells, span } = data.matrices[matrix];
    if (!unpacked.has(matrix)) {
      const bytes = Uint8Array.from(atob(cells), (c) => c.charCodeAt(0));
      unpacked.set(matrix, new DataView(bytes.buffer));
    }
    const view = unpacked.get(matrix);
    // The diagonal is stored too: a zero output is not even like itself.
    const cell = view.getUint16(2 * (square ? i * count - (i * (i - 1)) / 2 + j - i : i * count + j), true);
    return cell === 65535 ? null : Math.cos((cell / 65534) * span);
  }

  function text(value) {
    if (value === null) return 'undefined (zero output) or not compared';
    const rest = 1 - Math.abs(value);
    if (rest < 1e-12) return String(Math.sign(value));
    return value.toFixed(Math.min(12, Math.max(4, rest < 1e-3 ? Math.ceil(-Math.log10(rest)) + 1 : 4)));
  }

  function draw(chart, shapes) {
    chart.querySelectorAll('.cross').forEach((shape) => shape.remove());
    for (const [name, attributes] of shapes) {
      const shape = document.createElementNS('http://www.w3.org/2000/svg', name);
      for (const key in attributes) shape.setAttribute(key, attributes[key]);
      shape.setAttribute('class', 'cross');
      chart.querySelector('svg').append(shape);
    }
  }

  function show(words, x, y) {
    tip.textContent = words;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = x + 16 + width > innerWidth ? x - 16 - width : x + 16;
    const top = y + 16 + height > innerHeight ? y - 16 - height : y + 16;
    tip.style.transform = 'translate(' + Math.max(4, left) + 'px,' + Math.max(4, top) + 'px)';
  }

  function within(value, limit) { return Math.min(limit - 1, Math.max(0, Math.floor(value))); }

  for (const chart of document.querySelectorAll('.chart')) {
    const [left, top, width, height] = chart.dataset.plot.split(' ').map(Number);
    const curve = chart.dataset.curve === undefined ? null : data.curves[chart.dataset.curve];
    const viewWidth = chart.querySelector('svg').viewBox.baseVal.width;
    let at = null;

    function place(values) {
      return top + height * (1 - Math.log(Math.max(1 - values, curve.low) / curve.low) / Math.log(curve.high / curve.low));
    }

    // Point at row, column of a heatmap, or at a step and a series of a curve; x, y are positions in the SVG.
    function point(x, y) {
      const box = chart.getBoundingClientRect(), zoom = box.width / viewWidth;
      let words, shapes;
      if (curve === null) {
        const dx = width / count, dy = height / labels.length;
        const row = within((y - top) / dy, labels.length), column = within((x - left) / dx, count);
        const matrix = chart.dataset.matrix === undefined ? slice : Number(chart.dataset.matrix);
        at = { x: left + (column + 0.5) * dx, y: top + (row + 0.5) * dy, dx, dy };
        words = labels[row] + '\\n' + columnLabels[column] + '\\nsimilarity ' + text(similarity(matrix, row, column));
        shapes = [
          ['path', { d: 'M' + left + ' ' + at.y + 'H' + (left + width) + 'M' + at.x + ' ' + top + 'V' + (top + height), opacity: 0.45 }],
          ['rect', { x: at.x - dx / 2, y: at.y - dy / 2, width: dx, height: dy }],
        ];
      } else {
        const size = width / count;
        const step = within((x - left) / size - 0.5, count - 1);
        const order = curve.series
          .map((series, index) => ({ index, value: series.similarities[step] }))
          .filter(({ value }) => value !== null)
          .map((item) => ({ ...item, y: place(item.value) }))
          .sort((a, b) => a.y - b.y);
        const nearest = order.reduce((best, item) => (best && Math.abs(best.y - y) <= Math.abs(item.y - y) ? best : item), null);
        at = { x: left + (step + 1) * size, y: nearest ? nearest.y : y, dx: size, order, nearest };
        words = labels[step] + ' \\u2192 ' + labels[step + 1] + '\\n' +
          (curve.series.length > 1 && nearest ? curve.series[nearest.index].name + ': ' : '') +
          'similarity ' + text(nearest ? nearest.value : null) +
          (nearest ? '\\nchange ' + Number((1 - nearest.value).toPrecision(3)) : '');
        shapes = [['path', { d: 'M' + at.x + ' ' + top + 'V' + (top + height), opacity: 0.45 }]];
        if (nearest) shapes.push(['circle', { cx: at.x, cy: at.y, r: 4.5 }]);
      }
      draw(chart, shapes);
      show(words, box.left + at.x * zoom, box.top + at.y * zoom);
    }

    function hide() {
      draw(chart, []);
      tip.hidden = true;
    }

    function pointer(event) {
      const box = chart.getBoundingClientRect(), zoom = box.width / viewWidth;
      point((event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom);
    }

    function key(event) {
      const dx = { ArrowLeft: -1, ArrowRight: 1 }[event.key] || 0, dy = { ArrowUp: -1, ArrowDown: 1 }[event.key] || 0;
      if (event.key === 'Escape') return hide();
      if (dx === 0 && dy === 0) return;
      event.preventDefault();
      if (at === null) return point(left, top);
      if (curve === null) return point(at.x + dx * at.dx, at.y + dy * at.dy);
      const next = dy === 0 || !at.nearest ? null : at.order[at.order.indexOf(at.nearest) + dy];
      point(at.x + dx * at.dx, next ? next.y : at.y);
    }

    chart.addEventListener('pointermove', pointer);
    chart.addEventListener('pointerdown', pointer);
    chart.addEventListener('pointerleave', hide);
    chart.addEventListener('keydown', key);
    chart.addEventListener('focus', () => { if (chart.matches(':focus-visible')) at ? point(at.x, at.y) : point(left, top); });
    chart.addEventListener('blur', hide);
  }

  const chooser = document.getElementById('slice');
  if (chooser) chooser.addEventListener('change', () => {
    slice = chooser.selectedIndex;
    for (const chart of document.querySelectorAll('.heatmap'))
      chart.querySelector('image').setAttribute('href', data.matrices[slice].image);
  });
})();
`;
