/** An element with its text, or with what stands in it. */
export function made<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  content: string | readonly Node[] = '',
  attributes: Readonly<Record<string, string>> = {},
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (typeof content === 'string') element.textContent = content;
  else element.append(...content);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export function button(text: string, title: string, act: () => void): HTMLButtonElement {
  const element = made('button', text, { type: 'button', title, 'aria-label': title });
  element.addEventListener('click', act);
  return element;
}

/** A table in a frame of its own that scrolls where it is wide: names of columns, then rows that begin with their name. */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly (string | Node)[])[],
  isMarked: (row: number, column: number) => boolean = () => false,
): HTMLElement {
  const cell = (content: string | Node) => (typeof content === 'string' ? content : [content]);
  // A model may be called nothing at all; who is read a table to must hear that.
  const name = (text: string | Node) => (text === '' ? '(no name)' : text);
  const heads = head.map((text) => made('th', text || '(no name)', { scope: 'col' }));
  const lines = rows.map(([first, ...others], row) => {
    const fields = others.map((content, column) => {
      const field = made('td', cell(content));
      if (isMarked(row, column)) field.className = 'most';
      return field;
    });
    return made('tr', [made('th', cell(name(first)), { scope: 'row' }), ...fields]);
  });
  const parts = [made('caption', caption), made('thead', [made('tr', heads)]), made('tbody', lines)];
  const element = made('table', parts, { class: 'outputs' });
  return made('div', [element], { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption });
}

/** Puts a text where it can be pasted from. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without leave, or in a page of a file, what is marked can still be copied.
    const area = made('textarea', text);
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}
