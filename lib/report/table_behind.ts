import { escapeMarkup } from '../words/markup.js';

/** The numbers of a chart, folded below it unless they are to be seen at once: for those who do not see it, and to copy. */
export function tableBehind(
  name: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  open = false,
): string {
  const heads = head.map((text) => `<th scope="col">${escapeMarkup(text)}</th>`).join('');
  const lines = rows.map(([first, ...others]) => {
    const cells = others.map((text) => `<td>${escapeMarkup(text)}</td>`).join('');
    return `<tr><th scope="row">${escapeMarkup(first)}</th>${cells}</tr>`;
  });
  const label = escapeMarkup(name);
  const table = `<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="outputs"><caption>${label}</caption><thead><tr>${heads}</tr></thead><tbody>${lines.join('')}</tbody></table></div>`;
  return open ? table : `<details class="seen"><summary>As a table</summary>${table}</details>`;
}
