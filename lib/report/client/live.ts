import { LIVE_KINDS, LIVE_PATHS, type LiveEvent, type LiveProgress } from '../live_events.js';
import { addressOf } from './address.js';
import { type App, startApp } from './app.js';
import { made } from './elements.js';
import { movedState } from './moved.js';

// The script of a page that follows a computation: a report takes the place of the one before as it comes, and is the
// very page that would be written to a file. Whatever happens here, the program does not notice.

const place = document.getElementById('report')!;
const said = document.getElementById('said')!;
const notes = document.getElementById('notes')!;
const bar = document.querySelector<HTMLProgressElement>('#progress')!;

let shown = -1;
let wanted = -1;
let app: App | undefined;
let running = new AbortController();
let isFetching = false;
let isPressed = false;
let hasEnded = false;

/** Fetches the last report that there is, one at a time, and shows it as soon as nothing is being dragged. */
async function follow(): Promise<void> {
  if (isFetching || isPressed || shown >= wanted) return;
  isFetching = true;
  try {
    const answer = await fetch(LIVE_PATHS.report, { cache: 'no-store' });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const text = await answer.text();
    while (isPressed) await new Promise((resolve) => setTimeout(resolve, 50));
    show(text);
    shown = Number(answer.headers.get('etag')?.replaceAll('"', ''));
  } catch {
    // The stream tells when the program is there again.
    setTimeout(follow, 2000);
    return;
  } finally {
    isFetching = false;
  }
  if (shown < wanted) follow();
}

function show(text: string): void {
  // Its styles are those of this page, whose policy knows no other text of them.
  const page = new DOMParser().parseFromString(text.replace(/<style>.*?<\/style>/s, ''), 'text/html');
  const main = page.querySelector('main');
  if (main === null) return;
  const focused = focusedPlace();
  const open = new Set(openPlaces());
  const before = app;
  running.abort();
  running = new AbortController();
  document.title = page.title;
  place.replaceChildren(document.adoptNode(main));
  const data = page.getElementById('data')?.textContent;
  app = undefined;
  if (data) {
    const content = JSON.parse(data);
    const after = { rows: content.labels, columns: content.columnLabels ?? content.labels };
    if (before !== undefined) {
      const state = movedState(before.views.state, before, after);
      history.replaceState(null, '', addressOf(state) || location.pathname + location.search);
    }
    app = startApp(content, running.signal);
  }
  for (const details of place.querySelectorAll('details')) details.open = open.has(nameOf(details));
  if (focused !== -1) focusable()[focused]?.focus({ preventScroll: true });
}

const focusable = () => [...place.querySelectorAll<HTMLElement>('button, select, summary, .chart[tabindex]')];

function focusedPlace(): number {
  const { activeElement } = document;
  return activeElement instanceof HTMLElement ? focusable().indexOf(activeElement) : -1;
}

/** What folded parts are known by: what they say, and the part of the page that they are in. */
const nameOf = (details: HTMLDetailsElement) =>
  [
    details.closest('section')?.querySelector('h2')?.firstChild?.textContent,
    details.querySelector('summary')?.textContent,
  ].join('\n');

const openPlaces = () => [...place.querySelectorAll('details')].filter(({ open }) => open).map(nameOf);

function progress({ phase, done, total }: LiveProgress): void {
  bar.hidden = total === 0 || done >= total;
  bar.max = Math.max(1, total);
  bar.value = done;
  said.textContent = total === 0 ? phase : `${phase}: ${done} of ${total}`;
}

function take(event: LiveEvent): void {
  switch (event.kind) {
    case 'report':
      wanted = Math.max(wanted, event.version);
      follow();
      break;
    case 'progress':
      if (!hasEnded) progress(event);
      break;
    case 'notes':
      notes.replaceChildren(...event.notes.map(({ tone, text }) => made('li', text, { class: tone })));
      break;
    case 'end':
      hasEnded = true;
      bar.hidden = true;
      said.textContent = event.text;
  }
}

addEventListener('pointerdown', () => {
  isPressed = true;
});
for (const name of ['pointerup', 'pointercancel', 'blur'])
  addEventListener(name, () => {
    isPressed = false;
    follow();
  });

const stream = new EventSource(LIVE_PATHS.events);
for (const kind of LIVE_KINDS)
  stream.addEventListener(kind, (event) => take(JSON.parse((event as MessageEvent<string>).data)));
stream.addEventListener('open', () => document.body.classList.remove('lost'));
stream.addEventListener('error', () => {
  // After the end nobody is there to connect to.
  if (hasEnded) stream.close();
  else {
    document.body.classList.add('lost');
    said.textContent = 'no connection: the program has ended, or will be back';
  }
});
