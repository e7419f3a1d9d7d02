import { describe, expect, it } from 'vitest';
import { gaussian } from '../../lib/index.js';

describe('the dual of an activation', () => {
  it('is that of the books for relu and step, and of two activations', async () => {
    const angle = Math.acos(0.5);
    const arcCosine = (Math.sin(angle) + (Math.PI - angle) * Math.cos(angle)) / (2 * Math.PI);
    expect(await gaussian.dual('relu', { correlation: 0.5 })).toBeCloseTo(arcCosine, 15);
    expect(await gaussian.dual('step', { correlation: 0.5 })).toBeCloseTo(1 / 3, 15);
    // E relu(u) v = ρ/2
    expect(await gaussian.dual(['ReLU', 'linear'], { correlation: 0.3 })).toBeCloseTo(0.15, 15);
    const leaky = await gaussian.dual({ activation: 'leaky_relu', slope: -1 }, { correlation: 0.2 });
    expect(leaky).toBeCloseTo(await gaussian.dual('abs', { correlation: 0.2 }), 15);
  });

  it('takes lists, or one number for all', async () => {
    const mean = [[0.1, -0.4], 0.3] as const;
    const std = [1.5, Float64Array.of(1, 2)] as const;
    const values = await gaussian.dual(['gelu', 'tanh'], { mean, std, correlation: [0.2, -1] });
    expect(values).toBeInstanceOf(Float64Array);
    expect([...values]).toEqual([
      await gaussian.dual(['gelu', 'tanh'], { mean: [0.1, 0.3], std: [1.5, 1], correlation: 0.2 }),
      await gaussian.dual(['gelu', 'tanh'], { mean: [-0.4, 0.3], std: [1.5, 2], correlation: -1 }),
    ]);
  });

  it('is the sum over Hermite coefficients', async () => {
    const { data, shape } = await gaussian.hermiteCoefficients('silu', [0.2, -1], [1, 0.5], 60);
    expect(shape).toEqual([2, 61]);
    let sum = 0;
    for (let n = 60; n >= 0; n--) sum = sum * 0.6 + data[n] * data[61 + n];
    const pair = { mean: [0.2, -1], std: [1, 0.5], correlation: 0.6 } as const;
    expect(await gaussian.dual('silu', pair)).toBeCloseTo(sum, 14);
    const alone = await gaussian.hermiteCoefficients('silu', -1, 0.5, 60);
    expect(alone.shape).toEqual([61]);
    expect([...alone.data]).toEqual([...data.subarray(61)]);
  });

  it('refuses what is no pair of normals', async () => {
    await expect(gaussian.dual('rilu', { correlation: 0 })).rejects.toThrow(/no activation "rilu"/);
    await expect(gaussian.dual('prelu', { correlation: 0 })).rejects.toThrow(/slope of "prelu" is missing/);
    await expect(gaussian.dual('relu', { correlation: 1.1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(gaussian.dual('relu', { std: [-1, 1], correlation: 0 })).rejects.toThrow(/deviation is -1/);
    await expect(gaussian.dual('relu', { correlation: Number.NaN })).rejects.toMatchObject({ code: 'NOT_FINITE' });
    const uneven = { mean: [[1, 2, 3], 0], correlation: [0, 0.5] } as const;
    await expect(gaussian.dual('relu', uneven)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
    await expect(gaussian.dual('exp', { std: [40, 40], correlation: 0 })).rejects.toMatchObject({ code: 'NOT_FINITE' });
    await expect(gaussian.hermiteCoefficients('relu', 0, 1, -1)).rejects.toThrow(/highest degree is -1/);
    await expect(gaussian.hermiteCoefficients('relu', [0, 1], [1], 3)).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
    });
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(gaussian.dual('relu', { correlation: 0, signal: aborted })).rejects.toThrow('enough');
  });
});

describe('truncated normals', () => {
  it('have the orthants and moments of the books', () => {
    expect(gaussian.orthant([0, 0], 0.5)).toBeCloseTo(1 / 3, 15);
    const { data, shape } = gaussian.truncatedMoments([0, 0], 0.5);
    expect(shape).toEqual([3, 3]);
    expect(data[0]).toBeCloseTo(1 / 3, 15);
    // E z_+² 1[z' > 0] at ρ = ½ is ⅓ + √3/(8π).
    expect(data[6]).toBeCloseTo(1 / 3 + Math.sqrt(3) / (8 * Math.PI), 15);
  });

  it('refuse what is no correlation, limit or power', () => {
    expect(() => gaussian.orthant([0, 0], 2)).toThrow(/correlation is 2/);
    expect(() => gaussian.orthant([0], 0.1)).toThrow(/2 entries/);
    expect(() => gaussian.orthant([0, Number.NaN], 0.1)).toThrow(/NaN/);
    expect(() => gaussian.truncatedMoments([0, 0], 0.1, 99)).toThrow(/highest power is 99/);
  });
});
