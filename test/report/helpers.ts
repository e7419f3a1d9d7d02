import { readFileSync } from 'node:fs';
import type { CrossSimilarity, Matrix, SimilarityMatrix, SimilarityResult } from '../../lib/similarity/terms/types.js';

/** Labels that break careless CSV, XML, HTML and scripts. */
export const NASTY = [
  '</script><script>alert(1)</script>',
  '<!-- <script>',
  'a,b "quoted"',
  "it's & <b>bold</b>",
  ' leading and trailing ',
  'two\nlines\r\n',
  'control \u0007\u0000 characters',
  'line\u2028separator',
  '日本語 🙂',
  '=HYPERLINK("http://127.0.0.1"&A1)',
  "'-1+2",
  'bidi \u202e \u009b2J \u200b \u001b[1m bold',
  '\\u{1b} as it is written',
  '',
];

const info = {
  measure: 'gaussian',
  method: 'exact',
  exact: true,
  route: 'factor',
  estimates: [],
  standardError: null,
  sampling: null,
  input: 'standard',
  dtype: 'float64',
  backend: 'native',
} as const;

/** A symmetric matrix with 1 on the diagonal and `value(i, j)` for i < j. */
export function symmetric(size: number, value: (i: number, j: number) => number): Matrix {
  return Array.from({ length: size }, (_, i) =>
    Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : value(Math.min(i, j), Math.max(i, j)))),
  );
}

/** A result around given similarities; the inner products are those of models of norm 2. */
export function matrixOf(
  labels: readonly string[],
  cosine: Matrix,
  outputs?: Record<string, Matrix>,
  changes: Partial<SimilarityMatrix> = {},
): SimilarityMatrix {
  const gramOf = (matrix: Matrix) => matrix.map((row) => row.map((value) => (Number.isNaN(value) ? 0 : 4 * value)));
  return {
    kind: 'matrix',
    ...info,
    labels,
    window: null,
    cosine,
    gram: gramOf(cosine),
    work: {
      pairs: (labels.length * (labels.length + 1)) / 2,
      reused: 0,
      prepared: labels.length,
      same: [],
      discarded: 0,
    },
    direction: () => 0,
    difference: () => ({
      ...{ distance: 1, distanceResolution: 1e-6, dissimilarity: 0.125, fidelityError: 0.25, relativeDistance: 0.5 },
    }),
    ...(outputs && {
      perOutput: {
        names: Object.keys(outputs),
        cosine: Object.values(outputs),
        gram: Object.values(outputs).map(gramOf),
      },
    }),
    ...changes,
  };
}

/** Rows against columns: the similarity falls with the sum of the two indices; it is undefined where that is 3. */
export function crossOf(rows: readonly string[], columns: readonly string[]): CrossSimilarity {
  const { labels, perOutput, behaviour, beyondRange, cosineError, direction, window, ...rest } = matrixOf(
    ['a'],
    [Float64Array.of(1)],
  );
  const cosine = rows.map((_, i) => Float64Array.from(columns, (_, j) => (i + j === 3 ? Number.NaN : 1 / (1 + i + j))));
  const norms = (names: readonly string[]) => Float64Array.from(names, () => 2);
  return {
    ...rest,
    kind: 'cross',
    rows,
    columns,
    cosine,
    gram: cosine,
    rowNorms: norms(rows),
    columnNorms: norms(columns),
  };
}

/** Models numbered 0, 100, 200 … with these similarities from each to the next, and 0.5 between all others. */
export function seriesOf(
  similarities: readonly number[],
  outputs?: Record<string, readonly number[]>,
  changes: Partial<SimilarityMatrix> = {},
): SimilarityMatrix {
  const size = similarities.length + 1;
  const chain = (steps: readonly number[]) => symmetric(size, (i, j) => (j === i + 1 ? steps[i] : 0.5));
  const labels = Array.from({ length: size }, (_, i) => `step_${String(100 * i).padStart(5, '0')}`);
  const slices = outputs && Object.fromEntries(Object.entries(outputs).map(([name, steps]) => [name, chain(steps)]));
  return matrixOf(labels, chain(similarities), slices, changes);
}

/** Gram-derived similarities of real checkpoints; their outputs only from one checkpoint to the next. */
export function golden(
  name: 'digits-backdoor' | 'digits-forgetting' | 'grokking',
  measure = 'gaussian',
): SimilarityMatrix {
  const read = (file: string) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'));
  const data = read(`../golden/${name}.json`);
  const cosine: Matrix = data[measure].cosine.map((row: number[]) => Float64Array.from(row));
  const labels = data.files.map((file: string) => file.replace('.safetensors', ''));
  if (name === 'grokking' || measure !== 'gaussian') return matrixOf(labels, cosine);
  const steps: number[][] = read(`fixtures/${name}-outputs.json`);
  const outputs = steps.map((output, o) => [
    `${o}`,
    symmetric(labels.length, (i, j) => (j === i + 1 ? output[i] : 0.5)),
  ]);
  return matrixOf(labels, cosine, Object.fromEntries(outputs));
}

export function comparison(changes: Partial<SimilarityResult> = {}): SimilarityResult {
  return {
    kind: 'pair',
    ...info,
    a: 'step_06000',
    b: 'step_06200',
    similarity: 0.9596,
    distance: 13.7,
    distanceResolution: 1e-5,
    dissimilarity: 0.0404,
    fidelityError: 0.0813,
    relativeDistance: 0.285,
    innerProduct: 2012.56,
    normA: 48.0486,
    normB: 43.6477,
    ...changes,
  };
}

export const SLICES: NonNullable<SimilarityResult['perOutput']> = [
  {
    name: '0',
    similarity: 0.97,
    ...{ distance: 1, distanceResolution: 1e-6, dissimilarity: 0.03, fidelityError: 0.111, relativeDistance: 0.333 },
    ...{ innerProduct: 2, normA: 3, normB: 4 },
  },
  {
    name: '1',
    similarity: null,
    ...{ distance: 3, distanceResolution: 1e-6, dissimilarity: null, fidelityError: 1, relativeDistance: 1 },
    ...{ innerProduct: 0, normA: 3, normB: 0 },
  },
];

/** Splits CSV text of ours into the labels and numbers it was made of: by RFC 4180, then what `csvLine` says. */
export function parseCsv(text: string): string[][] {
  return csvFields(text).map((row) =>
    row.map((cell) =>
      cell
        .replace(/\\u\{([0-9a-f]+)\}/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
        .replace(/^'(?='*\s*[=+\-@＝＋－＠\t\r\n])/, ''),
    ),
  );
}

/** Splits CSV text into rows of fields by the rules of RFC 4180. */
export function csvFields(text: string): string[][] {
  const rows: string[][] = [[]];
  let field = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted && character === '"' && text[i + 1] === '"') field += text[++i];
    else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === ',' || character === '\n')) {
      rows.at(-1)!.push(field);
      field = '';
      if (character === '\n') rows.push([]);
    } else field += character;
  }
  return rows.slice(0, -1);
}

/**
 * Throws unless the text is well-formed XML of elements, text and character references: tags match, nothing is
 * unescaped.
 */
export function checkXml(text: string): void {
  const open: string[] = [];
  const token = /<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|(<)/g;
  for (const [, closing, name, attributes, empty, content, stray] of text.matchAll(token)) {
    if (stray) throw new Error('a "<" that starts no tag');
    for (const part of [attributes, content]) {
      if (part && /&(?!#\d+;|#x[\da-f]+;|(?:amp|lt|gt|quot|apos);)/i.test(part))
        throw new Error(`a bare "&" in ${part}`);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML 1.0 forbids
      if (part && /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(part)) throw new Error('a control character');
    }
    if (name === undefined) continue;
    if (closing) {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    } else if (!empty) open.push(name);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
}
