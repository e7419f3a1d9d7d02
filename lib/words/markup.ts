import { oneLine } from './quoting.js';

/**
 * Text for element content and quoted attributes of XML and HTML. What is invisible is spelled out: XML 1.0 has no
 * place for control characters, not even escaped, and a bidi mark would reach beyond the text it is in.
 */
export function escapeMarkup(text: string): string {
  return oneLine(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
