import type { Adapter } from '../../adapters/adapter.js';
import { amountText } from '../../words/numbers.js';
import { quote } from '../../words/quoting.js';
import { isNear } from './decide.js';
import type { Judged } from './judge.js';

/** What the change of a tensor was multiplied by, and where that comes from: "… times: by α in place of α/r". */
export function scaleText({ task, factor, factors }: Judged, adapters: readonly Adapter[]): string {
  const parts = task.changes.flatMap(({ adapter, module }, i) => {
    const own = factors?.[i] ?? factor!;
    if (isNear(own, 1)) return [];
    const { alpha, path, kind } = adapters[adapter];
    const { scale, rank } = module;
    const whose = factors === undefined ? 'the change' : `the change of ${quote(path)}`;
    const known = origin(own * scale, { scale, rank, alpha, kind });
    if (known === undefined) return [`${whose} times ${amountText(own, 4)}`];
    // As it would be without rounding: tensors that were multiplied by the same are told together.
    const [value, why] = known;
    return [`${whose} times ${amountText(value / scale, 4)}: ${why}`];
  });
  return parts.join(', ');
}

interface Scale {
  readonly scale: number;
  readonly rank: number;
  readonly alpha: number | null;
  readonly kind: Adapter['kind'];
}

type Known = readonly [value: number, what: string];

/** A multiplier that somebody took for the scale, and where it comes from. */
function origin(applied: number, { scale, rank, alpha, kind }: Scale): Known | undefined {
  const root = Math.sqrt(rank);
  const right = { LoRA: 'α/r', rsLoRA: 'α/√r', AdaLoRA: 'α/r', 'MLX LoRA': 'the scale' }[kind];
  const known: Known[] = [
    ...(alpha === null
      ? []
      : ([
          [alpha, `α = ${amountText(alpha)} in place of ${right}`],
          [alpha / root, `α/√r in place of ${right}`],
          [alpha / rank, `α/r in place of ${right}`],
          [rank / alpha, 'r/α in place of α/r'],
        ] as const)),
    [1, 'B A was added without a scale'],
    [1 / rank, `1/r in place of ${right}`],
    [-scale, 'it was taken off where it is to be added'],
    [scale ** 2, 'the scale was applied twice'],
    [scale / 2, 'half of it was added'],
  ];
  return known.find(([value]) => Math.abs(applied - value) <= 0.02 * Math.abs(value));
}
