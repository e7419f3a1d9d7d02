import type { LayerDetails, StripData } from '../blocks/strip_data.js';
import { addNumbers } from './tools.js';
import { Views } from './views.js';

// The script of a strip's page: it shows the heads and degrees of the layer that is chosen, which its address names.

const data: StripData = JSON.parse(document.getElementById('data')!.textContent!);
const place = document.getElementById('detail')!;
const views = new Views({ rows: 0, columns: 0, matrices: data.layers.length, first: data.first });
const buttons = [...document.querySelectorAll<HTMLButtonElement>('.strip button')];

for (const [at, button] of buttons.entries()) {
  button.addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const next = Math.min(buttons.length - 1, Math.max(0, at + step));
    views.change({ chosen: next });
    buttons[next].focus();
  });
  // The row is as good as the button in it.
  button.closest('tr')!.addEventListener('click', () => views.change({ chosen: at }));
}
views.onChange(showChosen);
showChosen();
addNumbers(document.querySelector<HTMLElement>('.strip')!.parentElement!, () => ({
  name: 'blocks',
  title: 'similarity of layers',
  rows: data.rows.map(({ name }) => name),
  columns: data.columns,
  value: (row, column) => data.rows[row].values[column],
  error: 0,
}));

function showChosen(): void {
  const { chosen } = views.state;
  for (const [at, button] of buttons.entries()) {
    button.setAttribute('aria-pressed', `${at === chosen}`);
    button.closest('tr')!.classList.toggle('chosen', at === chosen);
  }
  if (buttons.length > 0) show(data.layers[chosen]);
}

function show({ title, facts, degrees, heads }: LayerDetails): void {
  const parts: HTMLElement[] = [made('h2', title)];
  if (facts.length > 0)
    parts.push(
      table(
        'facts',
        [],
        facts.map(([name, value]) => [made('th', name), made('td', value)]),
      ),
    );
  if (degrees.length > 0) {
    const [head, ...rows] = degrees;
    parts.push(
      made('h3', 'MLP, by degree of its input'),
      table(
        'outputs',
        head,
        rows.map((row) => row.map((text) => made('td', text))),
      ),
    );
  }
  if (heads.length > 0) {
    const rows = heads.map(([head, answeredBy, qk, qkLevel, ov, ovLevel]) => {
      const answer = made('td', head === answeredBy ? `${answeredBy}` : `${answeredBy} (moved)`);
      return [made('td', `${head}`), answer, coloured(qk, qkLevel), coloured(ov, ovLevel)];
    });
    parts.push(made('h3', 'Heads'), table('outputs heads', ['head', 'answered by', 'QK', 'OV'], rows));
  }
  place.replaceChildren(...parts);
}

function table(name: string, head: readonly string[], rows: readonly (readonly HTMLElement[])[]): HTMLElement {
  const element = made('table');
  element.className = name;
  if (head.length > 0) {
    const line = made('tr');
    line.append(...head.map((text) => made('th', text)));
    const group = made('thead');
    group.append(line);
    element.append(group);
  }
  const body = made('tbody');
  for (const cells of rows) {
    const line = made('tr');
    line.append(...cells);
    body.append(line);
  }
  element.append(body);
  const scroll = made('div');
  scroll.className = 'scroll';
  scroll.append(element);
  return scroll;
}

function coloured(text: string, level: number | null): HTMLElement {
  const cell = made('td', text);
  if (level === null) return cell;
  cell.className = 'cell';
  cell.style.background = data.colours[level].fill;
  cell.style.color = data.colours[level].ink;
  return cell;
}

function made(name: string, text = ''): HTMLElement {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
