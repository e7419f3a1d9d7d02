// What the README and the pages of docs/guide show, taken out of their Markdown, so that it can be held against what is:
// the JavaScript with the values beside it, and the commands with what they print.

/** The JavaScript of a page, its blocks one after the other, which import a name once; empty if there is none. */
export function scriptOf(text) {
  const code = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block).join('\n');
  if (code === '') return '';
  const imports = /^import \{ (.+) \} from 'tensim';$/gm;
  const names = new Set([...code.matchAll(imports)].flatMap(([, list]) => list.split(', ')));
  return `import { ${[...names].join(', ')} } from 'tensim';\n${code.replaceAll(imports, '')}`;
}

/**
 * The TypeScript of a page, which takes files that a reader has: each block by itself, behind all that is imported. None of
 * it has types, so that it is JavaScript as well. Empty if there is none.
 */
export function typedOf(text) {
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
  const imports = /^import .* from '.*?'.*;\n/gm;
  const heads = new Set(blocks.flatMap((block) => block.match(imports) ?? []));
  const named = [...heads].flatMap((line) => /^import \{ (.+) \} from 'tensim';/.exec(line)?.[1].split(', ') ?? []);
  const others = [...heads].filter((line) => !/ from 'tensim';$/.test(line.trim()));
  const code = blocks.map((block) => block.replaceAll(imports, '').trim()).filter((block) => block !== '');
  if (blocks.length === 0) return '';
  const head = `import { ${[...new Set(named)].join(', ')} } from 'tensim';\n${others.join('')}`;
  return head + code.map((block) => `{\n${block}\n}\n`).join('');
}

/** An expression that stands by itself, with a remark behind it. */
const SHOWN = /^(\s*)(?!(?:const|let|var|return|import|export|if|for|while|throw|try)\b|[\])}/])(\S.*);\s*\/\/\s*(.+)$/;

/**
 * A script that prints a line of JSON for every expression whose value is told beside it: what is told, and the value.
 *
 *     matrix.cosine[2][3]; // 0.9596, the similarity of steps 6000 and 6200
 */
export function watchedScript(script) {
  const lines = script.split('\n').map((line) => {
    const [, space, expression, remark] = SHOWN.exec(line) ?? [];
    if (expression === undefined || toldIn(remark) === undefined) return line;
    const told = JSON.stringify({ expression, remark });
    return `${space}console.log(${JSON.stringify(MARK)} + JSON.stringify({ ...${told}, value: (${expression}) ?? null }));`;
  });
  return lines.join('\n');
}

const MARK = '@shown ';

/** What a watched script has printed of the values that are told. */
export function shownIn(output) {
  return output
    .split('\n')
    .filter((line) => line.startsWith(MARK))
    .map((line) => JSON.parse(line.slice(MARK.length)));
}

/** The value at the beginning of a remark; undefined where it begins with words. */
export function toldIn(remark) {
  const [, text, word, list, top, bottom, number] =
    /^(?:'([^']*)'|(true|false|null)\b|(\[[\d., -]*\])|(\d+)\/(\d+)(?=\s|$)|(-?\d+(?:\.\d+)?(?:e-?\d+)?)(?=[,:;\s]|$))/.exec(
      remark,
    ) ?? [];
  if (text !== undefined) return { value: text };
  if (word !== undefined || list !== undefined) return { value: JSON.parse(word ?? list) };
  if (top !== undefined) return { value: Number(top) / Number(bottom), within: 1e-9 };
  if (number === undefined) return undefined;
  const [mantissa, exponent = '0'] = number.split('e');
  const decimals = (mantissa.split('.')[1] ?? '').length;
  // A number is told to the decimals that it has, and a whole one as it is.
  const half =
    decimals === 0 ? 1e-9 * Math.max(1, Math.abs(Number(number))) : 0.5 * 10 ** (Number(exponent) - decimals);
  return { value: Number(number), within: 1.0001 * half };
}

/** Whether a value is what is told of it. */
export function isAsTold({ remark, value }) {
  const { value: told, within } = toldIn(remark);
  if (within === undefined) return JSON.stringify(told) === JSON.stringify(value);
  return typeof value !== 'object' && Math.abs(Number(value) - told) <= within;
}

/** Commands of tensim in the indented blocks of a page: the words of each, without what the shell does with it. */
export function commandsIn(text) {
  const joined = text.replaceAll(/\\\n\s*/g, ' ');
  return [...joined.matchAll(/^ {4}(?:\$ )?(?:npx )?tensim (?<words>[^\n]+)$/gm)].map(({ groups }) =>
    groups.words
      .replace(/\s(?:#|>|\||&&).*$/, '')
      .trim()
      .split(/\s+/),
  );
}

/** The options that words of a command name. */
export const optionsIn = (words) => words.filter((word) => /^--\w/.test(word)).map((word) => word.replace(/=.*$/, ''));

/** Commands with what they print below: `node`, `cd` and `npx tensim`, each on a line of its own. */
export function sessionIn(text) {
  if (!text.includes('\n```text\n')) return [];
  const command =
    /^ {4}(?:node (?<script>examples\/\S+)|cd (?<into>\S+)|npx tensim (?<args>[^\n]*)\n\n```text\n(?<told>.*?)^```)$/gms;
  return [...text.matchAll(command)].map(({ groups }) => groups);
}
