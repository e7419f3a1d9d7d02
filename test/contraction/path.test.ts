import { describe, expect, it } from 'vitest';
import { INSTANCES, shapesOf } from '../../bench/contraction/instances.js';
import { bindEquation } from '../../lib/contraction/equation.js';
import { type Network, sizeOfLabels } from '../../lib/contraction/network.js';
import { parseEquation } from '../../lib/contraction/parse.js';
import { mergeOperands } from '../../lib/contraction/path/merge.js';
import { contractionPath } from '../../lib/contraction/running/contract.js';
import { joinFlops, joinsOf, type Tree } from '../../lib/contraction/tree.js';
import { finish } from '../../lib/cooperate.js';
import numpy from './fixtures/numpy_optimal.json' with { type: 'json' };
import { choose, type Random, randomCase, randomFrom } from './support/random_equations.js';

const flopsOf = (optimize: 'optimal' | 'auto' | 'greedy' | 'random-greedy', equation: string, shapes: number[][]) =>
  contractionPath(equation, shapes, { optimize, cost: 'flops' }).flops;

/** Every pairwise tree: all ways to join two of the nodes left, again and again. */
function* allTrees(leaves: number, alive: number[], tree: [number, number][]): Generator<Tree> {
  if (alive.length === 1) yield [...tree];
  for (let i = 0; i < alive.length; i++) {
    for (let j = i + 1; j < alive.length; j++) {
      const rest = alive.filter((_, place) => place !== i && place !== j);
      tree.push([alive[i], alive[j]]);
      yield* allTrees(leaves, [...rest, leaves + tree.length - 1], tree);
      tree.pop();
    }
  }
}

/** Fewest operations of all trees over the operands as they are written, lone labels summed in their joins. */
function bruteForce(network: Network): number {
  const { leaves, sizes } = network;
  if (leaves.length === 1) return 2 * sizeOfLabels(leaves[0], sizes);
  let best = Number.POSITIVE_INFINITY;
  for (const tree of allTrees(leaves.length, [...leaves.keys()], [])) {
    best = Math.min(
      best,
      finish(joinsOf(network, tree)).reduce((sum, join) => sum + joinFlops(join, sizes), 0),
    );
  }
  return best;
}

function randomNetwork(random: Random, operands: number): { inputs: number[][]; output: number[]; shapes: number[][] } {
  const sizes = Array.from({ length: 7 }, () => 2 + Math.floor(random() * 8));
  const inputs = Array.from({ length: operands }, () => [...sizes.keys()].filter(() => random() < 0.35).slice(0, 4));
  const used = [...new Set(inputs.flat())];
  const output = used.filter(() => random() < 0.25);
  return { inputs, output, shapes: inputs.map((labels) => labels.map((label) => sizes[label])) };
}

describe('optimal paths', () => {
  it('are never worse than any pairwise tree of random networks of up to 6 operands', () => {
    const random = randomFrom(7);
    for (let i = 0; i < 60; i++) {
      const { inputs, output, shapes } = randomNetwork(random, 2 + (i % 5));
      const equation = bindEquation(parseEquation({ inputs, output }), shapes);
      const network = { leaves: equation.inputs, output: equation.output, sizes: equation.sizes };
      const { flops } = contractionPath({ inputs, output }, shapes, { optimize: 'optimal', cost: 'flops' });
      expect(flops, JSON.stringify({ inputs, output, shapes })).toBeLessThanOrEqual(bruteForce(network));
    }
  });

  it.each(Object.entries(numpy.flops))('take no more operations than numpy on "%s"', (name, flops) => {
    const instance = INSTANCES.find((candidate) => candidate.name === name)!;
    expect(flopsOf('optimal', instance.equation, shapesOf(instance))).toBeLessThanOrEqual(flops);
    expect(flopsOf('auto', instance.equation, shapesOf(instance))).toBeLessThanOrEqual(flops);
  });

  it('join what shares no label where that is cheaper', () => {
    // a and b are vectors: their outer product first saves reading the large tensor twice.
    const shapes = [[2], [2], [2, 2, 1000]];
    const { steps } = contractionPath('i,j,ijk->k', shapes, { optimize: 'optimal', cost: 'flops' });
    expect(steps[0].text).toBe('i,j->ij');
  });

  it('differ from flop-optimal ones where bytes cost more', () => {
    const shapes = [
      [300, 2],
      [2, 300],
      [300, 300],
      [300, 3],
    ];
    const timed = contractionPath('ab,bc,cd,de->ae', shapes);
    const counted = contractionPath('ab,bc,cd,de->ae', shapes, { cost: 'flops' });
    expect(timed.seconds).toBeLessThanOrEqual(counted.seconds);
    expect(counted.flops).toBeLessThanOrEqual(timed.flops);
  });
});

describe('other searches', () => {
  const network = INSTANCES.find(({ name }) => name === 'network of 22')!;

  it('are never better than optimal, random-greedy never worse than greedy', () => {
    for (const instance of INSTANCES) {
      const shapes = shapesOf(instance);
      const [greedy, random] = (['greedy', 'random-greedy'] as const).map((how) =>
        flopsOf(how, instance.equation, shapes),
      );
      expect(random).toBeLessThanOrEqual(greedy!);
      if (shapes.length <= 8) {
        expect(flopsOf('optimal', instance.equation, shapes)).toBeLessThanOrEqual(random!);
      }
    }
  });

  it('give the same path for the same seed', () => {
    const path = (seed: number) =>
      contractionPath(network.equation, shapesOf(network), { optimize: 'random-greedy', seed }).path;
    expect(path(3)).toEqual(path(3));
  });

  it('cope with many operands in a chain, a star and none in common', () => {
    const chain = Array.from({ length: 300 }, (_, i) => [i, i + 1]);
    expect(
      contractionPath(
        { inputs: chain, output: [0, 300] },
        chain.map(() => [4, 4]),
      ).scaling,
    ).toBe(3);
    const star = Array.from({ length: 60 }, () => [0]);
    expect(
      contractionPath(
        { inputs: star, output: [] },
        star.map(() => [9]),
      ).scaling,
    ).toBe(1);
    const apart = Array.from({ length: 60 }, (_, i) => [i]);
    expect(
      contractionPath(
        { inputs: apart, output: [] },
        apart.map(() => [9]),
      ).scaling,
    ).toBe(1);
  });

  it('begin by merging operands with equal labels and scalars, and forget labels that are summed by that', () => {
    const leaves = [[0, 1], [1, 2], [1, 0], [], [2, 3], []];
    const merged = finish(mergeOperands({ leaves, output: [3], sizes: [4, 5, 6, 7] }, undefined));
    expect(merged.network.leaves).toEqual([[1], [1, 2], [2, 3]]);
    expect(merged.joins[0]).toEqual([0, 2]);
    expect(merged.joins).toHaveLength(3);
    const apart = finish(mergeOperands({ leaves: [[0], [0], []], output: [], sizes: [4] }, [true, false, true]));
    expect(apart.joins).toEqual([[2, 0]]);
  });

  it('refuse an optimal path of too many operands, and a search that does not exist', () => {
    expect(() => contractionPath(network.equation, shapesOf(network), { optimize: 'optimal' })).toThrow('at most 16');
    expect(() => contractionPath('i->i', [[2]], { optimize: 'fast' as never })).toThrow('no search called "fast"');
  });
});

describe('explicit paths', () => {
  const shapes = [
    [2, 3],
    [3, 4],
    [4, 5],
  ];
  const texts = (optimize: number[][]) =>
    contractionPath('ij,jk,kl->il', shapes, { optimize }).steps.map(({ text }) => text);

  it('are followed as numpy and opt_einsum write them', () => {
    expect(
      texts([
        [1, 2],
        [0, 1],
      ]),
    ).toEqual(['jk,kl->jl', 'ij,jl->il']);
    expect(
      texts([
        [0, 1],
        [0, 1],
      ]),
    ).toEqual(['ij,jk->ik', 'ik,kl->il']);
    expect(texts([[0], [0, 1, 2]])).toEqual(['jk,kl->jl', 'ij,jl->il']);
  });

  it('come back from the path they gave', () => {
    const random = randomFrom(11);
    for (let i = 0; i < 50; i++) {
      const { equation, operands } = randomCase(random);
      const of = operands.map(({ shape }) => shape);
      const optimize = choose(random, ['optimal', 'greedy', 'random-greedy'] as const);
      const found = contractionPath(equation, of, { optimize });
      expect(contractionPath(equation, of, { optimize: found.path }).flops).toBe(found.flops);
    }
  });

  it.each([
    [
      [
        [0, 3],
        [0, 1],
      ],
      'entry 0 of the path names place 3',
    ],
    [
      [
        [0, 0],
        [0, 1],
      ],
      'names a place twice',
    ],
    [[[0, 1]], 'the path leaves 2 operands'],
    [[[0, 1], []], 'entry 1 of the path is not a list'],
    [[[0.5, 1]], 'names place 0.5'],
  ])('%j is refused', (path, message) => {
    expect(() => texts(path)).toThrow(message);
  });
});

describe('path information', () => {
  it('is plain data that prints as a table', () => {
    const info = contractionPath('hi,ki,hj,kj->hk', [
      [8, 4],
      [6, 4],
      [8, 5],
      [6, 5],
    ]);
    expect(structuredClone(info)).toEqual(info);
    expect(info.naive).toEqual({ scaling: 4, flops: 4 * 8 * 4 * 6 * 5 });
    expect(info.flops).toBe(2 * 8 * 6 * 4 + 2 * 8 * 6 * 5 + 8 * 6);
    const table = String(info);
    for (const part of ['naive      N^4', 'chosen     N^3', 'slices     none', 'hi,ki->hk', 'small', 'multiply']) {
      expect(table).toContain(part);
    }
  });

  it('shows slices and passes', () => {
    const info = contractionPath('hi,ki,hj,kj->hk', Array(4).fill([300, 100]), { memoryLimit: 1.9e6 });
    expect(info.slices.length).toBeGreaterThan(0);
    expect(String(info)).toMatch(/[hk] \(300\) in \d+ parts of \d+: \d+ passes/);
  });
});
