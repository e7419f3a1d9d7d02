import { describe, expect, it } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { explanationHtml, explanationSvg } from '../../lib/report/explain/page.js';
import { explanationText } from '../../lib/report/explain/text.js';
import { gateReport } from '../../lib/report/gate.js';
import { compareHtml, matrixHtml } from '../../lib/report/html.js';
import { REPORT_FORMATS } from '../../lib/report/judgement.js';
import { crossText, matrixText, measuresText } from '../../lib/report/matrix_text.js';
import { crossHtml, measuresHtml } from '../../lib/report/several.js';
import { compareSvg, crossSvg, matrixSvg, measuresSvg } from '../../lib/report/svg.js';
import { compareText, routeText } from '../../lib/report/text.js';
import { verifyReport } from '../../lib/report/verify/report.js';
import type { Verification } from '../../lib/report/verify/sheet.js';
import type { Explanation } from '../../lib/similarity/explain/types.js';
import type { GateResult } from '../../lib/similarity/gate/gate.js';
import { compareMeasures } from '../../lib/similarity/series/measure_comparison.js';
import { checkXml, comparison, crossOf, matrixOf, SLICES, symmetric } from './helpers.js';
import { faultOf, mergedTensor, mergeOf, pairOf } from './verify_fixture.js';

/** A text that would move the cursor, set the title, turn the direction and forge a line, told apart by its number. */
const hostile = (i: number) =>
  `${i}\u001b]0;PWNED\u0007\u001b[2J\u001b[1m\u009b8m\rb\nPASS: forged\u2028\u2029\u0085\u202e\u2066\u200b\ud800\uffff`;
const benign = (i: number) => `${i} harmless`;

/** What must not come out of a report; our own emphasis and the ends of lines may. */
const RAW = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\uffff]|PASS: forged\n|^PASS: forged/mu;

/** All reports of the room, of models and outputs of such names. */
async function reports(name: (i: number) => string): Promise<Record<string, string>> {
  const labels = [0, 1, 2].map(name);
  const cosine = symmetric(3, (i, j) => 1 / (1 + i + j));
  const slices = { [name(5)]: cosine, [name(6)]: cosine };
  const pair = comparison({
    a: name(0),
    b: name(1),
    input: name(2),
    perOutput: SLICES.map((slice, i) => ({ ...slice, name: name(i) })),
  });
  const matrix = matrixOf(labels, cosine, slices);
  const same = { ...matrix, input: name(3), work: { ...matrix.work, same: [labels.slice(1)] } };
  const many = matrixOf(
    Array.from({ length: 60 }, (_, i) => name(i)),
    symmetric(60, (i, j) => 1 / (1 + j - i)),
  );
  const cross = crossOf([name(0)], [name(1)]);
  const measures = compareMeasures([same, { ...same, measure: 'weights' }], 1);
  const exchange = exchangeOf(name);
  const check = { kind: 'output', output: name(4), limit: 0.9, similarity: 0.1, interval: null, outcome: 'fail' };
  const result = {
    outcome: 'fail',
    checks: [check],
    worst: check,
    limits: {},
    comparison: pair,
  } as unknown as GateResult;
  const subjects = { candidate: { label: name(0), file: name(1) }, reference: { label: name(2) } };
  const error = new TensimError('INVALID_FILE', `is odd: ${name(0)}`, { file: name(1), hint: name(2) });
  const gates = REPORT_FORMATS.flatMap((format) => [
    [`gate ${format}`, [...gateReport(format, subjects, { result })].join('')],
    [`gate ${format} error`, [...gateReport(format, subjects, { error })].join('')],
  ]);
  return {
    compare: compareText(pair),
    matrix: matrixText(same),
    curve: matrixText(many),
    cross: crossText(cross),
    measures: measuresText(measures),
    explain: explanationText(exchange, null),
    route: routeText({ ...pair, passedOver: [{ name: 'cuda', reason: name(7) }] }),
    ...Object.fromEntries(gates),
    'compare.html': await compareHtml(pair),
    'matrix.html': await matrixHtml(same),
    'cross.html': await crossHtml(cross),
    'measures.html': await measuresHtml(measures),
    'explain.html': await explanationHtml(exchange, null),
    'compare.svg': await compareSvg(pair),
    'matrix.svg': await matrixSvg(same),
    'cross.svg': await crossSvg(cross),
    'measures.svg': await measuresSvg(measures),
    'explain.svg': await explanationSvg(exchange, null),
  };
}

function exchangeOf(name: (i: number) => string): Explanation {
  const hybrid = { toA: 0.5, toB: 0.6 };
  return {
    ...comparison({ a: name(0), b: name(1) }),
    kind: 'exchange',
    layers: [{ layer: 1, type: 'bilinear', change: 0.1, intoA: hybrid, intoB: hybrid }],
  } as unknown as Explanation;
}

describe('reports of names that mean harm', () => {
  it('have as many lines as those of others, and nothing in them that acts', async () => {
    const [spoilt, sound] = [await reports(hostile), await reports(benign)];
    for (const [kind, text] of Object.entries(spoilt)) {
      expect(RAW.exec(text)?.[0], kind).toBeUndefined();
      if (/html|svg/.test(kind)) continue;
      expect(text.split('\n').length, kind).toBe(sound[kind].split('\n').length);
      if (sound[kind].includes('harm')) expect(text, kind).toMatch(/\\u(?:\{1b\}|001b)/);
    }
  });

  it('of a verification are well-formed, and say nothing that acts', () => {
    const odd = (i: number) => `${i} | \`a\` <b> &amp; "q" ]]> --> **x** [y](http://z) @all www.z.org PASS: forged \\`;
    for (const name of [hostile, odd])
      for (const asked of verifications(name)) {
        for (const format of REPORT_FORMATS)
          expect(RAW.exec([...verifyReport(format, asked)].join(''))?.[0], format).toBeUndefined();
        checkXml([...verifyReport('junit', asked)].join('').replace(/^<\?xml.*\?>/, ''));
        const markdown = [...verifyReport('markdown', asked)].join('');
        const tables = markdown.split('\n').filter((line) => line.startsWith('| '));
        for (const line of tables) expect([4, 5, 6], line).toContain(line.match(/(?<!\\)\|/g)?.length);
        expect(markdown.replace(/^\| --- .*$/gm, '')).not.toMatch(/<b>|(?<!\\)[`*[\]@~]|http:\/\/|www\.z/);
      }
  });

  it('of a gate are well-formed XML and a table of the same cells', async () => {
    const odd = (i: number) => `${i} | \`a\` <b> &amp; "q" ]]> --> **x** [y](http://z) @all www.z.org ~~s~~ \\`;
    const spoilt = { ...(await reports(hostile)), ...prefixed(await reports(odd)) };
    for (const [kind, text] of Object.entries(spoilt))
      if (kind.includes('junit')) checkXml(text.replace(/^<\?xml.*\?>/, ''));
    const row = spoilt['odd gate markdown'].split('\n').find((line) => line.startsWith('| ❌'))!;
    expect(row.match(/(?<!\\)\|/g)).toHaveLength(5);
    expect(row).not.toMatch(/<b>|(?<!\\)[`*[\]@~]|http:\/\/|www\.z/);
  });
});

/** A pair, a merge and an error, all of such names. */
function verifications(name: (i: number) => string): Verification[] {
  const tensors = [0, 1, 2].map((i) => `layers.${i}.${name(0)}`);
  const faults = [
    faultOf({ text: `${name(1)} and ${name(2)}`, tensor: tensors[0], tensors }),
    faultOf({ cause: 'setting', text: name(3), tensor: null, tensors: [] }),
  ];
  const side = { file: name(4), sha256: name(5), layout: name(6), types: [name(7)] };
  const adapters = [{ file: name(8), kind: name(9), rank: 8, scale: 1 }];
  const shared = { outcome: 'fail', summary: name(10), faults, notes: [name(11)] } as const;
  const checks = tensors.map((tensor, i) => ({
    ...({ layer: i, role: name(12), reference: name(i), candidate: tensor, state: 'different', error: 1 } as const),
  }));
  const layouts = [{ kind: 'names', text: name(13), layers: [0, 1] }] as const;
  const pair = pairOf({ ...shared, reference: side, candidate: side, verdict: 'different', layouts, tensors: checks });
  const merged = tensors.map((tensor) => mergedTensor({ tensor, state: 'not-merged' }));
  const error = new TensimError('INVALID_FILE', `is odd: ${name(0)}`, { file: name(1), hint: name(2) });
  return [
    pair,
    mergeOf({ ...shared, base: side, merged: side, adapters, tensors: merged }),
    { ...pair, end: { error } },
  ];
}

function prefixed(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([kind, text]) => [`odd ${kind}`, text]));
}
