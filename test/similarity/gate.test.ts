import { describe, expect, it } from 'vitest';
import { loadModel } from '../../lib/model/reading/load.js';
import { type GateLimits, gate, type Judged, type JudgedSlice, judge } from '../../lib/similarity/gate/gate.js';
import { digestOfName } from '../../lib/similarity/law/input_digest.js';
import { INTERVAL } from '../../lib/similarity/sampled/jackknife.js';
import type { InputLaw } from '../../lib/similarity/terms/types.js';
import { step } from '../cli/run.js';

const { NaN: nan, POSITIVE_INFINITY: infinite } = Number;

const exact = (similarity: number | null, outputs: readonly (number | null)[] = [1]): Judged => ({
  similarity,
  standardError: null,
  perOutput: outputs.map((value, i) => ({ name: `${i}`, similarity: value })),
});

const sampled = (similarity: number, standardError: number, ...perOutput: JudgedSlice[]): Judged => ({
  similarity,
  standardError,
  perOutput: perOutput.length > 0 ? perOutput : [{ name: '0', similarity: 1, standardError: 0 }],
});

describe('a gate', () => {
  const cases: [title: string, comparison: Judged, limits: GateLimits, outcome: string][] = [
    ['passes at the limits', exact(0.98, [0.9, 1]), {}, 'pass'],
    ['fails just below that of all', exact(0.98 - 1e-12), {}, 'fail'],
    ['fails by one output alone', exact(0.99, [1, 0.9 - 1e-12, 1]), {}, 'fail'],
    ['takes limits of its own', exact(0.5, [0.2]), { min: 0.5, minOutput: 0.2 }, 'pass'],
    ['fails what is not a number', exact(nan), { min: -1 }, 'fail'],
    ['fails what is infinite', exact(infinite), {}, 'fail'],
    ['fails what is null', exact(null), { min: -1 }, 'fail'],
    ['fails an undefined output', exact(1, [1, null]), { minOutput: -1 }, 'fail'],
    ['fails an output that is not a number', exact(1, [nan]), { minOutput: -1 }, 'fail'],
    ['fails where no outputs were compared', exact(1, []), { minOutput: -1 }, 'fail'],
    ['fails where outputs were not asked for', { similarity: 1, standardError: null }, {}, 'fail'],
    ['passes what is surely above', sampled(0.99, 0.004), {}, 'pass'],
    ['fails what is surely below', sampled(0.97, 0.004), {}, 'fail'],
    ['does not decide what may be either, above', sampled(0.9895, 0.005), {}, 'undecided'],
    ['or below', sampled(0.9705, 0.005), {}, 'undecided'],
    [
      'does not decide by an error that a few samples carry',
      { ...sampled(1, 0), sampling: { effectiveSamples: 12 } },
      {},
      'undecided',
    ],
    ['takes the error that many samples carry', { ...sampled(1, 0), sampling: { effectiveSamples: 5000 } }, {}, 'pass'],
    [
      'does not pass what was not reached, however far from the limit',
      { ...sampled(0.999, 1e-4), sampling: { effectiveSamples: 5000, reached: false } },
      {},
      'undecided',
    ],
    [
      'fails what was not reached all the same',
      { ...sampled(0.5, 1e-4), sampling: { effectiveSamples: 5000, reached: false } },
      {},
      'fail',
    ],
    [
      'does not decide by an output that cannot be relied on',
      {
        ...sampled(1, 0, { name: '0', similarity: 0.99, standardError: 1e-4, effectiveSamples: 5000, reached: false }),
        sampling: { effectiveSamples: 5000, reached: true },
      },
      {},
      'undecided',
    ],
    [
      'nor by one that few samples carry',
      {
        ...sampled(1, 0, { name: '0', similarity: 0.99, standardError: 1e-4, effectiveSamples: 12 }),
        sampling: { effectiveSamples: 5000, reached: true },
      },
      {},
      'undecided',
    ],
    [
      'does not take a sampled similarity without an error for exact',
      { ...exact(1), sampling: { effectiveSamples: 5000 } },
      {},
      'undecided',
    ],
    ['does not decide by an error that is not a number', sampled(1, nan), {}, 'undecided'],
    ['nor by an infinite one', sampled(1, infinite), {}, 'undecided'],
    ['nor by a negative one', sampled(1, -1), {}, 'undecided'],
    [
      'does not decide outputs that may be either',
      sampled(1, 0, { name: '0', similarity: 0.905, standardError: 0.005 }),
      {},
      'undecided',
    ],
    ['nor outputs of unknown error', sampled(1, 0, { name: '0', similarity: 0.99 }), {}, 'undecided'],
    [
      'fails if anything fails, undecided or not',
      sampled(0.981, 0.005, { name: '0', similarity: 0.1, standardError: 0.005 }),
      {},
      'fail',
    ],
    ['passes a drop as large as allowed', exact(0.99, [0.95]), { baseline: exact(1, [0.96]), maxDrop: 0.01 }, 'pass'],
    ['fails a larger one', exact(0.985, [0.96]), { baseline: exact(0.999, [0.96]) }, 'fail'],
    ['fails a larger one of an output', exact(1, [0.94]), { baseline: exact(1, [0.96]) }, 'fail'],
    ['fails an output that the baseline has and it has not', exact(1, [1]), { baseline: exact(1, [1, 1]) }, 'fail'],
    ['fails an output that the baseline has not', exact(1, [1, 1]), { baseline: exact(1, [1]) }, 'fail'],
    ['fails where the baseline is undefined', exact(1, [1]), { baseline: exact(1, [null]) }, 'fail'],
    [
      'adds the errors of both',
      sampled(0.995, 0.003, { name: '0', similarity: 1, standardError: 0 }),
      { baseline: sampled(0.997, 0.003, { name: '0', similarity: 1, standardError: 0 }), maxDrop: 0.01 },
      'undecided',
    ],
  ];
  it.each(cases)('%s', (_, comparison, limits, outcome) => {
    expect(judge(comparison, limits).outcome).toBe(outcome);
  });

  it.each([2, -2, 1 + 1e-9])('does not judge a similarity of %s', (impossible) => {
    for (const [comparison, limits] of [
      [exact(impossible), {}],
      [exact(1, [1, impossible]), {}],
      [exact(1), { baseline: exact(impossible) }],
      [exact(1), { baseline: exact(1, [impossible]) }],
    ] as const) {
      expect(() => judge(comparison, limits)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('from -1 to 1') }),
      );
    }
  });

  it('does not hold comparisons of two kinds against each other', () => {
    const made = { measure: 'gaussian', method: 'exact', exact: true, dtype: 'float64', input: 'standard' } as const;
    for (const [part, value] of [
      ['measure', 'tensor'],
      ['method', 'closure'],
      ['exact', false],
      ['dtype', 'float32'],
      ['input', 'onehot'],
      ['inputDigest', '0'.repeat(64)],
    ] as const) {
      const baseline = { ...exact(1), ...made, [part]: value };
      expect(() => judge({ ...exact(1), ...made, inputDigest: digestOfName('standard')! }, { baseline })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    }
  });

  it('names the worst output, an undefined one before all', () => {
    expect(judge(exact(1, [0.97, 0.91, 1]), {}).worst).toMatchObject({ name: '1', similarity: 0.91 });
    expect(judge(exact(1, [0.97, null, -1]), {}).worst).toMatchObject({ name: '1', similarity: null });
    expect(judge(exact(1, []), {}).worst).toBeNull();
  });

  it('says what was held against what', () => {
    const { checks } = judge(sampled(0.985, 0.005), { baseline: exact(0.99), maxDrop: 0.02 });
    expect(checks).toHaveLength(4);
    expect(checks[0]).toEqual({
      kind: 'minimum',
      output: null,
      similarity: 0.985,
      limit: 0.98,
      interval: [expect.closeTo(0.985 - INTERVAL * 0.005, 12), expect.closeTo(0.985 + INTERVAL * 0.005, 12)],
      outcome: 'undecided',
    });
    expect(checks[2]).toMatchObject({ kind: 'drop', output: null, limit: 0.97, outcome: 'pass' });
  });

  it.each<[string, GateLimits, RegExp]>([
    ['min', { min: 1.1 }, /"min" is 1.1/],
    ['min', { min: nan }, /"min" is NaN/],
    ['minOutput', { minOutput: '0.9' as never }, /"minOutput"/],
    ['maxDrop', { maxDrop: -0.1, baseline: exact(1) }, /"maxDrop" is -0.1/],
    ['maxDrop without a baseline', { maxDrop: 0.1 }, /needs a baseline/],
    ['a baseline without outputs', { baseline: { similarity: 1, standardError: null } }, /per output/],
  ])('refuses a bad %s', (_, limits, message) => {
    expect(() => judge(exact(1), limits)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });

  it('on the example passes at 0.9 in all and fails by output 9', async () => {
    const [reference, candidate] = await Promise.all([6000, 6200].map((number) => loadModel(step(number))));
    const { outcome, checks, worst, comparison, limits } = await gate(candidate, reference, { min: 0.9 });
    expect(outcome).toBe('fail');
    expect(checks.filter(({ outcome: one }) => one !== 'pass').map(({ output }) => output)).toEqual(['9']);
    expect(worst?.name).toBe('9');
    expect(limits).toEqual({ min: 0.9, minOutput: 0.9, maxDrop: null });
    const again = await gate(candidate, reference, { min: 0.9, minOutput: 0.8, baseline: comparison });
    expect(again.outcome).toBe('pass');
    await expect(gate(candidate, reference, { baseline: comparison, measure: 'tensor' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('measure gaussian'),
    });
    await expect(gate(candidate, reference, { baseline: comparison, method: 'closure' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('method exact, this gate closure'),
    });
    await expect(gate(candidate, candidate, { baseline: comparison })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('another reference'),
    });
    const named = (mean: number) => ({ mean: new Array(64).fill(mean), name: 'digits' });
    const under = await gate(candidate, reference, { input: named(0.5) });
    const held = (input: InputLaw) =>
      gate(candidate, reference, { min: -1, minOutput: -1, input, baseline: under.comparison });
    await expect(held({ ...named(0.5), name: 'the same' })).resolves.toMatchObject({ outcome: 'pass' });
    await expect(held(named(0.25))).rejects.toMatchObject({
      message: expect.stringContaining('other numbers in its input law'),
    });
    await expect(held({ ...named(0.25), name: 'standard' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(gate(candidate, reference, { perOutput: false } as never)).resolves.toMatchObject({ outcome: 'fail' });
  });
});
