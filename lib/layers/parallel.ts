import { largest } from '../extremes.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkFollowing, type Ends, type KindOf, parityOfChain, sizesOfChain } from './chains.js';
import { asAffine, asBlockOfUnits, isAffineSum, unitsBranch } from './composing.js';
import type { LayerKind, Parity, Typed } from './kind.js';
import type { Place } from './place.js';
import type { LayerReader } from './reader.js';
import { checkFactors, parseResidual, RESIDUAL_DESCRIPTION, RESIDUAL_FIELDS, residualInWords } from './residual.js';
import type { NamedShape, ShapeOnly, ShapeReport } from './shapes.js';
import type { LayerOf } from './types.js';

/** x ↦ α x + β Σ_k F_k(x), each F_k a chain of layers; shapes as in `ParallelLayer`. */
export interface ParallelOf<T> {
  /** Tells the kinds of layers apart. */
  readonly type: 'parallel';
  /** F_1, F_2 …, each from its input to its output: all take and give as many features. */
  readonly branches: readonly (readonly LayerOf<T>[])[];
  /** α, what the residual counts; 0: none. */
  readonly alpha: number;
  /** β, what the branches count. */
  readonly beta: number;
}

/** x + Σ_k F_k(x), as transformers have it. */
export const PARALLEL_DEFAULTS = { alpha: 1, beta: 1 } as const;

/** Parallel layers within each other, at most: a description that goes deeper is none of a network. */
export const MOST_NESTED = 8;

/** @param read reads a layer of a branch. */
export function parallelKind(
  kindOf: KindOf,
  read: (json: unknown, title: string, reader: LayerReader) => LayerOf<Place>,
): LayerKind {
  type Branches<T = ShapeOnly> = ParallelOf<T>;
  const sizes = ({ branches, alpha }: Branches) => {
    const all = branches.map((branch) => sizesOfChain(branch, kindOf));
    const own = alpha === 0 ? 0 : 1;
    const polynomial = all.every(({ degree }) => degree !== null);
    return {
      degree: polynomial
        ? largest(
            all.map(({ degree }) => degree as number),
            own,
          )
        : null,
      growth: largest(
        all.map(({ growth }) => growth),
        own,
      ),
    };
  };
  const layersOf = ({ branches }: Branches): readonly Typed[] => branches.flat();
  return {
    type: 'parallel',
    words: { adjective: 'parallel', plural: 'parallel layers', noun: 'parallel branches' },
    parts: { required: [], optional: [], fields: [...RESIDUAL_FIELDS], branches: true },
    defaults: { ...PARALLEL_DEFAULTS },
    degree: null,
    sizes,
    mixesPositions: false,
    mixes: (layer: Branches) =>
      layersOf(layer).some((inner) => kindOf(inner).mixes?.(inner) ?? kindOf(inner).mixesPositions),
    takesTokens: false,
    methods: {},

    parity({ branches, alpha }: Branches): Parity {
      const [first, ...others] = branches.map((branch) => parityOfChain(branch, kindOf));
      const same = others.every((one) => one === first) && (alpha === 0 || first === 'odd');
      return same ? first : null;
    },

    widths({ branches }: Branches) {
      const [first, last] = [branches[0][0], branches[0][branches[0].length - 1]];
      return { takes: kindOf(first).widths(first).takes, gives: kindOf(last).widths(last).gives };
    },

    check(layer: Branches<NamedShape>, report: ShapeReport) {
      const { branches, alpha } = layer;
      checkFactors(layer, report);
      if (branches.length === 0 || branches.some(({ length }) => length === 0))
        report.refuse(null, branches.length === 0 ? 'has no branches' : 'has a branch without layers');
      const all = branches.map((branch, b) =>
        checkFollowing(branch, (i, inner) => within(report, `branch ${b + 1}, layer ${i + 1} (${inner.type})`), kindOf),
      );
      const [one] = all;
      for (const [b, other] of all.entries()) checkAlike(one, other, b, report);
      if (alpha !== 0 && one.gives !== one.takes)
        report.refuse(
          one.last,
          `a residual needs as many outputs as inputs, but the branches take ${one.takes} and give ${one.gives}`,
        );
      return one.first === null || one.last === null ? null : { takes: one.first, gives: one.last };
    },

    inWords(layer: Branches) {
      const inner = (one: Typed) => kindOf(one).inWords(one) + residualOf(one);
      const { takes, gives } = this.widths(layer);
      const branches = layer.branches.map((branch) => `[${branch.map(inner).join('; ')}]`);
      return `parallel ${takes} → ${gives}: ${branches.join(' + ')}`;
    },

    /**
     * `branches`, a list of lists of layers as a model has them; the residual as `parseResidual` says, α = β = 1 if
     * nothing is said.
     */
    parse(reader: LayerReader): ParallelOf<Place> {
      const { fields, title, fail, depth } = reader;
      reader.only(['branches', ...RESIDUAL_DESCRIPTION]);
      const { branches } = fields;
      if (depth >= MOST_NESTED)
        return fail(`${title} is the ${MOST_NESTED + 1}th within another, and ${MOST_NESTED} are the most`);
      const isBranch = (branch: unknown): branch is unknown[] => Array.isArray(branch) && branch.length > 0;
      if (!Array.isArray(branches) || branches.length === 0 || !branches.every(isBranch))
        return fail(`${title}: "branches" must be a list of branches, each a list of at least one layer`);
      return {
        type: 'parallel',
        branches: branches.map((branch: unknown[], b) =>
          branch.map((json, i) => read(json, `${title}, branch ${b + 1}, layer ${i + 1}`, reader)),
        ),
        ...parseResidual(reader, PARALLEL_DEFAULTS),
      };
    },

    mostPositions: (layer: Branches) =>
      layersOf(layer).reduce(
        (most, inner) => Math.min(most, kindOf(inner).mostPositions?.(inner) ?? most),
        Number.POSITIVE_INFINITY,
      ),

    isAffine: (layer: Branches) => isAffineSum(layer, kindOf),
    asBlock:
      'parallel branches, which are exact only where they are linear, or one of them has a single block of units',
    asLinear: (layer: ParallelOf<Tensor>) => asAffine(layer, kindOf),

    simplerType: (layer: Branches) => unitsBranch(layer, kindOf)?.units ?? null,
    asSimpler: (layer: ParallelOf<Tensor>) => asBlockOfUnits(layer, kindOf),
    hidden(layer: Branches) {
      const block = unitsBranch(layer, kindOf)?.block;
      return block === undefined ? 0 : kindOf(block).hidden!(block);
    },
  };
}

/** ` times …` or ` residual …`, of layers that may have one. */
function residualOf(layer: Typed): string {
  const { alpha, beta } = layer as Partial<ParallelOf<unknown>>;
  return alpha === undefined || beta === undefined ? '' : residualInWords({ alpha, beta });
}

function within(report: ShapeReport, title: string): ShapeReport {
  return {
    refuse: (part, problem) => report.refuse(part, `${title}: ${problem}`),
    fail: (problem) => report.fail(`${title}: ${problem}`),
  };
}

function checkAlike(one: Ends, other: Ends, index: number, report: ShapeReport): void {
  for (const [end, part, verb] of [
    ['takes', 'first', 'takes'],
    ['gives', 'last', 'gives'],
  ] as const)
    if (other[end] !== one[end])
      report.refuse(
        other[part],
        `branch ${index + 1} ${verb} ${other[end]} features, but branch 1 ${verb} ${one[end]}`,
      );
}
