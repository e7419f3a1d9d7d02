import { describe, expect, it } from 'vitest';
import type { ContractionPlan } from '../../lib/contraction/plan.js';
import { loadNative } from '../../lib/machines/native.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { interpret } from '../contraction/support/interpret.js';
import { planOf } from '../contraction/support/plan_of.js';
import { randomCase, randomFrom } from '../contraction/support/random_equations.js';

const native = loadNative();
const absent = 'reason' in native || process.env.TENSIM_BACKEND === 'fallback';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

type Place = { readonly value: Json; set(other: Json): unknown };

/** Every place in a JSON value that holds a number, a string or a boolean, with what sets it. */
function* leaves(value: Json): Generator<Place> {
  if (value === null || typeof value !== 'object') return;
  const holder = value as { [name: string]: Json };
  for (const [key, inner] of Object.entries(holder)) {
    if (inner !== null && typeof inner === 'object') yield* leaves(inner);
    else yield { value: inner, set: (other) => Object.assign(holder, { [key]: other }) };
  }
}

describe.skipIf(absent)('plans given to the addon', () => {
  const backend = 'reason' in native ? undefined! : native.backend;

  it('are followed to the letter', async () => {
    const random = randomFrom(7);
    for (let i = 0; i < 300; i++) {
      const made = randomCase(random);
      const memoryLimit = i % 2 === 0 ? 8 * (60 + Math.floor(random() * 60)) : undefined;
      let plan: ContractionPlan;
      try {
        plan = planOf(made.equation, made.operands, { memoryLimit });
      } catch {
        continue; // the limit was too low for this one
      }
      const operands = made.operands.map(
        ({ data, ...layout }): Tensor => ({ data: Float64Array.from(data), ...layout }),
      );
      const { data } = await backend.contractions.run(plan, operands);
      const expected = interpret(plan, operands).output;
      for (const [at, value] of data.entries()) expect(value).toBeCloseTo(expected[at], 9);
    }
  });

  it('are refused when they reach outside their buffers, and never crash', async () => {
    const random = randomFrom(11);
    const odd: Json[] = [
      -1,
      0,
      1,
      2,
      3,
      7,
      1e3,
      1e9,
      2 ** 40,
      2 ** 53,
      -(2 ** 53),
      0.5,
      Number.NaN,
      1e300,
      true,
      'gemm',
      null,
    ];
    let refused = 0;
    let ran = 0;
    for (let i = 0; i < 3000; i++) {
      const made = randomCase(random);
      const operands = made.operands.map(
        ({ data, ...layout }): Tensor => ({ data: Float64Array.from(data), ...layout }),
      );
      const plan = JSON.parse(JSON.stringify(planOf(made.equation, operands))) as ContractionPlan;
      // Sizes of buffers are left alone: a plan may well ask for more memory than there is, and be refused for that.
      const places = [...leaves({ ...plan, buffers: null, points: null, peakBytes: null } as unknown as Json)];
      const place = places[Math.floor(random() * places.length)];
      const value = odd[Math.floor(random() * odd.length)];
      place.set(random() < 0.3 && typeof place.value === 'number' ? place.value + (random() < 0.5 ? 1 : -1) : value);
      try {
        await backend.contractions.run(plan, operands);
        ran++;
      } catch (error) {
        expect(error).toMatchObject({
          code: expect.stringMatching(/^(INVALID_ARGUMENT|SHAPE_MISMATCH|MEMORY_LIMIT)$/),
        });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(ran).toBeGreaterThan(100);
  });

  it('are refused when a size of 0, or one that nothing holds, hides where they reach', async () => {
    const operands = [
      [2, 3],
      [3, 2],
    ].map((shape): Tensor => ({ data: new Float64Array(6), shape }));
    type Step = { contracted: { size: number }[]; out: { offset: number } };
    const changed = (change: (plan: ContractionPlan, step: Step) => void) => {
      const plan = JSON.parse(JSON.stringify(planOf('ij,jk->ik', operands))) as ContractionPlan;
      change(plan, [...plan.once, ...plan.steps][0] as unknown as Step);
      return backend.contractions.run(plan, operands);
    };
    const same = await changed(() => {});
    expect(same.data).toHaveLength(4);
    const refusals: readonly Parameters<typeof changed>[0][] = [
      // Nothing is summed, and zeros are written.
      (_, step) => {
        step.contracted[0].size = 0;
        step.out.offset = 1000;
      },
      // The data of an operand is as long as its layout says, and not as its buffer does.
      (plan) => Object.assign(plan.buffers[0], { elements: 1000 }),
      // Products of sizes that come back to 0.
      (_, step) => {
        const loop = { size: 2 ** 32, strideA: 0, strideB: 0, strideOut: 0, slice: -1 };
        step.contracted.push({ ...loop }, { ...loop });
      },
    ];
    for (const change of refusals) await expect(changed(change)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
