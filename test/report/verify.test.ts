import { describe, expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import type { ReportFormat } from '../../lib/report/judgement.js';
import { verifyReport } from '../../lib/report/verify/report.js';
import type { Verification } from '../../lib/report/verify/sheet.js';
import { checkXml } from './helpers.js';
import { checksOf, failingPair, faultOf, mergedTensor, mergeOf, nameOf, pairOf } from './verify_fixture.js';

const report = (format: ReportFormat, asked: Verification): string => [...verifyReport(format, asked)].join('');

const QUANTISED = {
  ...{ format: 'Q4_K', blocks: 5632, error: 0.06, best: 0.055 },
  worst: { block: 1234, error: 0.13, best: 0.08 },
};
const error = new TensimError('INVALID_FILE', 'ends too early', { file: 'model.gguf', hint: 'Download it again' });

describe('the text of a verification', () => {
  test('that passes is the verdict, that all is equal, and the files', () => {
    expect(report('text', pairOf())).toBe(`PASS: model.gguf against base/

Same function: the same weights in other files.

All 13 tensors are equal.

reference  base/ · llama · BF16 · sha256 0123456789ab…
candidate  model.gguf · gguf · BF16 · sha256 0123456789ab…
`);
  });

  test('that fails tells a fault of all layers once, and lists the worst tensors', () => {
    expect(report('text', failingPair(32))).toBe(`FAIL: model.gguf against base/

Different: first in layer 0, model.layers.0.self_attn.k_proj.weight.

rotary pairs in another order: self_attn.k_proj of layers 0 to 31
  Rows of model.layers.0.self_attn.k_proj.weight stand as interleaved pairs, and those of its
  queries do not.

tensor                                                                  error
model.layers.31.self_attn.k_proj.weight  rotary pairs in another order  1.3
model.layers.30.self_attn.k_proj.weight  rotary pairs in another order  1.3
model.layers.29.self_attn.k_proj.weight  rotary pairs in another order  1.3
model.layers.28.self_attn.k_proj.weight  rotary pairs in another order  1.3
… 93 more: 28 rotary pairs in another order, 65 equal

reference  base/ · llama · BF16 · sha256 0123456789ab…
candidate  model.gguf · gguf · BF16 · sha256 0123456789ab…

note: The tokenizer was not compared.
`);
  });

  test('tells once what is said of many tensors, also where each has a fault of its own', () => {
    const faults = [0, 1, 2].flatMap((layer) =>
      (['mlp.up', 'attention.key'] as const).map((role) => {
        const tensor = nameOf(layer, role);
        const text = `${tensor} has ${layer + 8} % of its norm as error, where the best of Q4_0 has 7.5 %`;
        return faultOf({ cause: 'coarse', layer, tensor, tensors: [tensor], text });
      }),
    );
    const scaled = [2, 2, 3].map((factor, layer) => {
      const tensor = nameOf(layer, 'attention.query');
      return faultOf({
        cause: 'scaled',
        layer,
        tensor,
        tensors: [tensor],
        text: `${tensor} is ${factor} times as large`,
      });
    });
    const setting = faultOf({
      cause: 'setting',
      text: 'it has 8 heads, not 4',
      tensor: null,
      layer: null,
      tensors: [],
    });
    const all = [...faults, ...scaled, setting];
    const text = report('text', pairOf({ outcome: 'fail', verdict: 'different', faults: all }));
    const heads = ['worse than its format makes it: mlp.up_proj and self_attn.k_proj of layers 0 to 2'];
    expect(text.match(/^worse than .*: .*$/gm)).toEqual(heads);
    expect(text).toMatch(/^ {2}model\.layers\.0\.mlp\.up_proj\.weight has 8 % of its norm as error/m);
    expect(text).toContain('\nscaled: self_attn.q_proj of layers 0 and 1\n');
    expect(text).toContain(`\nscaled\n  ${nameOf(2, 'attention.query')} is 3 times as large\n`);
    expect(text).toMatch(/^another setting\n {2}it has 8 heads, not 4$/m);
    expect(text).toMatch(/^model\.layers\.0\.mlp\.up_proj\.weight +worse than its format makes it +0$/m);
  });

  test('does not say the sentence of a single fault twice, nor lists what went well beside it', () => {
    const text = 'nothing was merged';
    const queries = [0, 1].map((layer) => nameOf(layer, 'attention.query'));
    const told = report(
      'text',
      mergeOf({
        ...{ outcome: 'fail', summary: `${text}: all of it is the base's` },
        faults: [faultOf({ cause: 'not-merged', text, tensor: queries[0], tensors: queries })],
        tensors: [
          mergedTensor({ state: 'not-merged', tensor: queries[0], factor: 0, error: 1 }),
          mergedTensor({ state: 'rounded', tensor: nameOf(2, 'mlp.up') }),
        ],
      }),
    );
    expect(told.match(/nothing was merged/g)).toHaveLength(1);
    expect(told).toContain('\nnot merged: self_attn.q_proj of layers 0 and 1\n\n');
    expect(told).toContain('… 1 more is rounded');
  });

  test('names a dozen faults and counts the others', () => {
    const faults = Array.from({ length: 20 }, (_, i) => {
      const letter = 'abcdefghijklmnopqrst'[i];
      const tensor = `${letter}.weight`;
      const text = `${tensor} is missing, which is the ${letter} of all`;
      return faultOf({ cause: 'missing-tensor', tensor, tensors: [tensor], text });
    });
    const text = report('text', pairOf({ outcome: 'fail', verdict: 'different', faults }));
    expect(text.match(/^missing$/gm)).toHaveLength(12);
    expect(text).toContain('… 8 more faults');
    expect(text).toContain('All 13 tensors that both have are equal.');
  });

  test('tells how it is written otherwise, under both names', () => {
    const text = report(
      'text',
      pairOf({
        verdict: 'other-layout',
        layouts: [
          { kind: 'interleaved-pairs', text: 'rows as interleaved pairs', layers: [0, 1, 2, 3] },
          { kind: 'container', text: 'gguf for safetensors' },
          {
            ...{ kind: 'rotated-stream', text: 'the residual stream rotated' },
            certificate: { orthogonality: 3e-16, residual: 1.2e-7 },
          },
        ],
        tensors: checksOf(1, (layer) => ({ candidate: `blk.${layer}.attn_q.weight`, state: 'same-function' })),
      }),
    );
    expect(text).toMatch(/^other layout +rows as interleaved pairs, layers 0 to 3$/m);
    expect(text).toMatch(/^other container +gguf for safetensors$/m);
    expect(text).toContain('rotated (orthogonal to 3e-16, weights behind it the same to 1.2e-7)\n');
    expect(text).toMatch(/^blk\.0\.attn_q\.weight +same function +model\.layers\.0\.self_attn\.q_proj\.weight +0$/m);
    expect(text).toMatch(/^… 1 more is equal$/m);
  });

  test('puts the error of quantised tensors beside the best that there is, the worst first', () => {
    const tensors = checksOf(2, (layer, role) =>
      role === 'mlp.up'
        ? {
            ...{ state: 'quantised', error: 0.06 },
            quantised: { ...QUANTISED, worst: { ...QUANTISED.worst, error: 0.13 + layer } },
          }
        : { state: 'rounded', error: 1.7e-3 },
    );
    const text = report('text', pairOf({ verdict: 'quantised', tensors }));
    const rows = text.split('\n').filter((line) => line.startsWith('model.layers'));
    expect(rows[0]).toMatch(
      /^model\.layers\.1\.mlp\.up_proj\.weight +Q4_K +0\.06 +0\.055 +block 1,234 of 5,632: 1\.1, best 0\.08$/,
    );
    expect(rows[1]).toMatch(/^model\.layers\.0\.mlp\.up_proj\.weight +Q4_K .*: 0\.13, best 0\.08$/);
    expect(rows[2]).toMatch(/rounded +0\.0017$/);
    expect(text).toContain('tensor');
  });

  test('says what could not be compared before what is the same', () => {
    const tensors = checksOf(1, (_, role) =>
      role === 'mlp.up' ? { state: 'not-compared', error: null } : { state: 'rounded', error: 0.002 },
    );
    const text = report('text', pairOf({ outcome: 'undecided', verdict: 'unknown', tensors }));
    expect(text).toMatch(/^UNDECIDED: model\.gguf against base\/\n/);
    expect(text).toMatch(/^tensor .*\nmodel\.layers\.0\.mlp\.up_proj\.weight +not compared +–$/m);
  });

  test('of a merge has the factor of every tensor that is not merged as it should be', () => {
    const query = [0, 1].map((layer) => nameOf(layer, 'attention.query'));
    const text = report(
      'text',
      mergeOf({
        outcome: 'fail',
        summary: 'Merged with 16 times its scale.',
        faults: [
          faultOf({ cause: 'wrong-scale', text: 'alpha was not divided by r.', tensor: query[0], tensors: query }),
        ],
        tensors: [
          mergedTensor({ state: 'merged', tensor: nameOf(2, 'mlp.up') }),
          ...query.map((tensor) => mergedTensor({ tensor, state: 'wrong-scale', factor: 16, error: 15 })),
          mergedTensor({ tensor: nameOf(3, 'mlp.up'), state: 'not-merged', factor: null, error: null }),
        ],
      }),
    );
    expect(text).toMatch(/^FAIL: merged\/ against base\/ with lora\/ merged in\n/);
    expect(text).toContain(
      'merged with another scale: self_attn.q_proj of layers 0 and 1\n  alpha was not divided by r.',
    );
    expect(text).toMatch(/^tensor .* factor +error\nmodel\.layers\.3\.mlp\.up_proj\.weight +not merged +– +–\n/m);
    expect(text).toMatch(/^model\.layers\.0\.self_attn\.q_proj\.weight +merged with another scale +16 +15$/m);
    expect(text).toContain('… 1 more is merged');
    expect(text).toContain('adapter  lora/ · LoRA · rank 16 · scale 2\n');
  });

  test('names a few adapters, and counts many', () => {
    const many = (count: number) => {
      const adapters = Array.from({ length: count }, (_, i) => ({ file: `lora${i}`, kind: 'LoRA', rank: 8, scale: 1 }));
      return report('text', mergeOf({ adapters })).split('\n', 1)[0];
    };
    expect(many(2)).toBe('PASS: merged/ against base/ with lora0 and lora1 merged in');
    expect(many(4)).toBe('PASS: merged/ against base/ with 4 adapters merged in');
  });

  test('leaves errors to stderr', () => {
    expect(report('text', { ...pairOf(), end: { error } })).toBe('');
  });
});

describe('as JUnit', () => {
  const counts = (text: string) => /<testsuite name="[^"]*" ([^>]*)>/.exec(text)![1];

  test('every tensor is a case, and the verdict one more', () => {
    const passing = report('junit', pairOf());
    checkXml(passing.replace(/^<\?xml.*\?>\n/, ''));
    expect(counts(passing)).toBe('tests="14" failures="0" errors="0"');
    const failing = report('junit', failingPair(4));
    checkXml(failing.replace(/^<\?xml.*\?>\n/, ''));
    expect(counts(failing)).toBe('tests="14" failures="5" errors="0"');
    expect(failing).toContain('name="verdict"><failure type="fail" message="Different: first in layer 0');
    expect(failing).toContain(
      `name="${nameOf(3, 'attention.key')}"><failure type="pairs-order" message="rotary pairs in another order: Rows of`,
    );
    expect(failing).toContain(`name="${nameOf(3, 'attention.query')}"/>`);
  });

  test('tensors that only a fault names are cases, and settings stand in the verdict', () => {
    const faults = [
      faultOf({ cause: 'missing-tensor', tensor: 'lm_head.weight', tensors: [], text: 'lm_head.weight is missing.' }),
      faultOf({ cause: 'setting', text: 'It has 8 heads, not 4.', tensor: null, tensors: [] }),
    ];
    const text = report('junit', pairOf({ outcome: 'fail', verdict: 'different', summary: 'Different.', faults }));
    expect(counts(text)).toBe('tests="15" failures="2" errors="0"');
    expect(text).toContain('name="lm_head.weight"><failure type="missing-tensor" message="missing: lm_head.weight is');
    expect(text).toContain('name="verdict"><failure type="fail" message="Different. It has 8 heads, not 4."/>');
  });

  test('a tensor with two faults is one case', () => {
    const faults = [faultOf(), faultOf({ cause: 'scaled', text: 'It is 2 times as large.' })];
    const text = report('junit', pairOf({ outcome: 'fail', verdict: 'different', faults }));
    expect(counts(text)).toBe('tests="14" failures="2" errors="0"');
    expect(text).toMatch(/type="pairs-order" message="rotary pairs [^"]* scaled: It is 2 times as large\."/);
  });

  test('what was not compared is skipped, and what is undecided a failure', () => {
    const tensors = checksOf(1, (_, role) => (role === 'mlp.up' ? { state: 'not-compared', error: null } : {}));
    const text = report('junit', pairOf({ outcome: 'undecided', verdict: 'unknown', tensors }));
    expect(counts(text)).toBe('tests="5" failures="1" errors="0" skipped="1"');
    expect(text).toContain('name="verdict"><failure type="undecided"');
    expect(text).toContain('<skipped message="not compared"/>');
  });

  test('a tensor that was not merged fails without a fault, too', () => {
    const text = report(
      'junit',
      mergeOf({ outcome: 'fail', tensors: [mergedTensor({ state: 'not-merged', factor: 0 })] }),
    );
    expect(text).toContain('<failure type="not-merged" message="not merged"/>');
  });

  test('an error is the only case', () => {
    const text = report('junit', { ...mergeOf(), end: { error } });
    expect(counts(text)).toBe('tests="1" failures="0" errors="1"');
    expect(text).toContain('<error type="INVALID_FILE" message="model.gguf: ends too early');
  });
});

describe('as markdown', () => {
  test('faults and the worst tensors are tables', () => {
    const text = report('markdown', failingPair(32));
    expect(text).toMatch(/^### ❌ tensim verify: fail\n\nmodel\.gguf against base\/\n/);
    expect(text).toContain(
      '\n| what | where |  |\n| --- | --- | --- |\n| rotary pairs in another order | self\\_attn.k\\_proj of layers 0 to 31 | Rows of',
    );
    expect(text.match(/^\| ❌ \| model\.layers/gm)).toHaveLength(4);
    expect(text).toContain('… 93 more: 28 rotary pairs in another order, 65 equal');
    expect(report('markdown', pairOf())).toContain('### ✅ tensim verify: pass\n');
    expect(report('markdown', { ...pairOf(), end: { error } })).toMatch(
      /^### ❌ tensim verify: error\n[\s\S]*ends too early/,
    );
  });
});

describe('as JSON', () => {
  test('it is tensim.verify/1 with all that is known, errors too', () => {
    const pair = JSON.parse(report('json', failingPair(500)));
    expect(pair).toMatchObject({ schema: 'tensim.verify/1', kind: 'pair', outcome: 'fail', verdict: 'different' });
    expect(pair.tensors).toHaveLength(1501);
    expect(JSON.parse(report('json', mergeOf()))).toMatchObject({ kind: 'merge', outcome: 'pass', tensors: [{}, {}] });
    expect(JSON.parse(report('json', { ...mergeOf(), end: { error } }))).toEqual({
      ...{ schema: 'tensim.verify/1', kind: 'merge', outcome: 'error' },
      ...{ base: { file: 'base/' }, adapters: [{ file: 'lora/' }], merged: { file: 'merged/' } },
      error: { code: 'INVALID_FILE', message: error.message },
    });
  });
});
