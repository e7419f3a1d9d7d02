import { escapeMarkup } from '../words/markup.js';
import script from './client/live.js?bundled';
import { LIVE_SCHEMA } from './live_events.js';
import { scriptedPage } from './page.js';

const STYLE = `
.live { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: center; max-width: 1240px; margin: 0 auto; padding: 10px 24px 0;
  color: var(--muted); font-size: 13px; }
.live b { color: var(--ink); } .live progress { width: 160px; height: 8px; accent-color: var(--accent); }
.live ul { flex-basis: 100%; margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; }
.live .bad { color: var(--highlight); } .live .good { color: var(--accent); font-weight: 600; }
.lost #report { opacity: 0.6; }
.empty { max-width: 1240px; margin: 0 auto; padding: 20px 24px; color: var(--muted); }
`;

/**
 * The page that follows a computation: a line about how it stands, and below it the report, which the script fetches
 * anew whenever there is more of it.
 * @param title what is followed
 */
export function livePage(title: string): string {
  const name = escapeMarkup(title);
  const body = `<div class="live" role="region" aria-label="How the computation stands"><b>${name}</b> <span id="said" role="status">connecting</span>
<progress id="progress" hidden="" aria-label="Progress"></progress><ul id="notes" aria-live="polite" aria-label="Notes"></ul></div>
<div id="report"><main class="empty">Nothing to be seen yet: the page fills by itself.</main></div>`;
  return scriptedPage(`tensim: ${title}`, body, {
    script,
    data: { schema: LIVE_SCHEMA },
    style: STYLE,
    connects: true,
  });
}
