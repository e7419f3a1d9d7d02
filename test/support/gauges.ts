import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { Random } from './random.js';

/** The same function written in another way, to the rounding of its weights (MATH.md section 9). */
export function inOtherGauge(layers: readonly Layer[], draw: Random): Layer[] {
  return mixStreams(
    layers.map((layer) => {
      if (layer.type === 'bilinear') return regaugedUnits(layer, draw);
      return layer.type === 'attention' ? regaugedHeads(layer, draw) : layer;
    }),
    draw,
  );
}

/** Row i of the result is row `order[i]` times `factors[i]`. */
function rows({ data, shape }: Tensor, order: readonly number[], factors: readonly number[]): Tensor {
  const width = data.length / shape[0];
  const taken = order.flatMap((from, i) =>
    Array.from(data.subarray(from * width, (from + 1) * width), (value) => value * factors[i]),
  );
  return { data: Float64Array.from(taken), shape };
}

function columns(
  { data, shape: [count, width] }: Tensor,
  order: readonly number[],
  factors: readonly number[],
): Tensor {
  const taken = Array.from({ length: count }, (_, c) => order.map((from, i) => data[c * width + from] * factors[i]));
  return { data: Float64Array.from(taken.flat()), shape: [count, width] };
}

function shuffled(count: number, draw: Random): number[] {
  const keys = Array.from({ length: count }, () => draw.uniform());
  return [...keys.keys()].sort((i, j) => keys[i] - keys[j]);
}

/** Units in another order, each with other scales of its sides and its column. */
function regaugedUnits(block: BilinearLayer, draw: Random): BilinearLayer {
  const count = block.left.shape[0];
  const order = shuffled(count, draw);
  const [s, t] = [0, 1].map(() => order.map(() => Math.exp(draw.normal() / 2)));
  const moved = (part: Tensor | undefined, factors: number[]) => part && rows(part, order, factors);
  const { leftBias, rightBias } = block;
  return {
    ...block,
    left: rows(block.left, order, s),
    right: rows(block.right, order, t),
    down: columns(
      block.down!,
      order,
      s.map((value, h) => 1 / (value * t[h])),
    ),
    ...(leftBias && { leftBias: moved(leftBias, s)! }),
    ...(rightBias && { rightBias: moved(rightBias, t)! }),
  };
}

/** Heads in another order, with the two products of queries and keys exchanged and scaled. */
function regaugedHeads(layer: AttentionLayer, draw: Random): AttentionLayer {
  const size = layer.q1.shape[0] / layer.heads;
  const order = shuffled(layer.heads, draw).flatMap((head) => Array.from({ length: size }, (_, i) => head * size + i));
  const s = Array.from({ length: layer.heads }, () => Math.exp(draw.normal() / 2)).flatMap((v) =>
    new Array(size).fill(v),
  );
  const inverse = s.map((value) => 1 / value);
  const same = s.map(() => 1);
  const parts: [keyof AttentionLayer, keyof AttentionLayer, number[]][] = [
    ['q1', 'q2', s],
    ['k1', 'k2', inverse],
    ['q2', 'q1', inverse],
    ['k2', 'k1', s],
    ['v', 'v', same],
  ];
  const regauged = parts.flatMap(([to, from, factors]) => {
    const bias = layer[`${from}Bias` as keyof AttentionLayer] as Tensor | undefined;
    return [
      [to, rows(layer[from] as Tensor, order, factors)],
      ...(bias === undefined ? [] : [[`${to}Bias`, rows(bias, order, factors)]]),
    ];
  });
  return { ...layer, ...Object.fromEntries(regauged), o: columns(layer.o, order, same) };
}

/** The features between two linear layers rotated. */
function mixStreams(layers: readonly Layer[], draw: Random): Layer[] {
  const mixed = [...layers];
  for (let k = 0; k + 1 < mixed.length; k++) {
    const [one, two] = [mixed[k], mixed[k + 1]];
    if (one.type !== 'linear' || two.type !== 'linear') continue;
    const angle = draw.normal();
    const turn = [Math.cos(angle), -Math.sin(angle), Math.sin(angle), Math.cos(angle)];
    mixed[k] = turnedRows(one, turn);
    mixed[k + 1] = turnedColumns(two, turn);
  }
  return mixed;
}

/** The first two features turned. */
function turnedRows({ type, weight, bias }: LinearLayer, [a, b, c, d]: number[]): LinearLayer {
  const turn = ({ data, shape }: Tensor): Tensor => {
    const width = data.length / shape[0];
    const turned = Float64Array.from(data);
    for (let i = 0; i < width; i++) {
      turned[i] = a * data[i] + b * data[width + i];
      turned[width + i] = c * data[i] + d * data[width + i];
    }
    return { data: turned, shape };
  };
  return { type, weight: turn(weight), ...(bias && { bias: turn(bias) }) };
}

/** By the transposed, which is the inverse. */
function turnedColumns(layer: LinearLayer, [a, b, c, d]: number[]): LinearLayer {
  const { data, shape } = layer.weight;
  const turned = Float64Array.from(data);
  for (let i = 0; i < data.length; i += shape[1]) {
    turned[i] = a * data[i] + b * data[i + 1];
    turned[i + 1] = c * data[i] + d * data[i + 1];
  }
  return { ...layer, weight: { data: turned, shape } };
}
