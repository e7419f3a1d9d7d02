import { random } from './random.js';
import { type Given, transposed } from './transformers.js';

/** A random orthogonal matrix, (size, size); one that keeps 1 = (1, …, 1) where that is asked for. */
export function orthogonal(size: number, seed: number, keepsMean = false): Float64Array {
  const { normal } = random(seed);
  const rows: number[][] = [];
  const draw = () => Array.from({ length: size }, (): number => normal());
  const orthonormal = (candidates: readonly number[][]) => {
    const found: number[][] = [];
    for (const candidate of candidates) {
      let rest = candidate;
      for (let twice = 0; twice < 2; twice++)
        for (const one of found) {
          const along = rest.reduce((sum, value, i) => sum + value * one[i], 0);
          rest = rest.map((value, i) => value - along * one[i]);
        }
      const length = Math.hypot(...rest);
      if (length > 1e-6) found.push(rest.map((value) => value / length));
    }
    return found;
  };
  const first = keepsMean ? [Array.from({ length: size }, () => 1)] : [];
  const one = orthonormal([...first, ...Array.from({ length: size + 2 }, draw)]).slice(0, size);
  if (!keepsMean) rows.push(...one);
  else {
    // From one basis that begins with 1 to another.
    const other = orthonormal([...first, ...Array.from({ length: size + 2 }, draw)]).slice(0, size);
    for (let i = 0; i < size; i++)
      rows.push(Array.from({ length: size }, (_, j) => one.reduce((sum, row, k) => sum + other[k][i] * row[j], 0)));
  }
  return Float64Array.from(rows.flat());
}

/** A B of (rows, inner) and (inner, columns). */
export function product(a: Float64Array, b: Float64Array, inner: number): Float64Array {
  const columns = b.length / inner;
  return Float64Array.from({ length: (a.length / inner) * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a[i * inner + k] * b[k * columns + j];
    return sum;
  });
}

/** What a tensor does with the residual stream. */
type Role = 'reads' | 'writes' | 'gain' | 'vector' | 'tokens';

/**
 * The same network in another basis of the residual stream, x ↦ Q x: gains are folded into what reads behind them first.
 * @param roleOf what a tensor does, and of what reads the names of the gain and shift before it and of its own bias
 */
export function rotated(
  tensors: Given,
  q: Float64Array,
  d: number,
  roleOf: (name: string) => { role: Role; gain?: string; shift?: string; bias?: string } | undefined,
): Given {
  const back = transposed(q, d, d);
  const result: Given = { ...tensors };
  for (const [name, [data, ...shape]] of Object.entries(tensors)) {
    const own = roleOf(name);
    if (own?.role === 'reads') {
      const gain = own.gain === undefined ? undefined : tensors[own.gain][0];
      const folded = data.map((value, at) => value * (gain?.[at % d] ?? 1));
      result[name] = [product(folded, back, d), ...shape];
      if (own.shift !== undefined && own.bias !== undefined) {
        const shift = product(data, tensors[own.shift][0], d);
        result[own.bias] = [
          result[own.bias][0].map((value, i) => value + shift[i]),
          ...result[own.bias].slice(1),
        ] as Given[string];
      }
    } else if (own?.role === 'writes') result[name] = [product(q, data, d), ...shape];
    else if (own?.role === 'tokens') result[name] = [product(data, back, d), ...shape];
  }
  for (const name of Object.keys(tensors)) {
    const role = roleOf(name)?.role;
    const [data, ...shape] = tensors[name];
    if (role === 'gain') result[name] = [data.map(() => 1), ...shape];
    if (role === 'vector') result[name] = [data.map(() => 0), ...shape];
  }
  return result;
}
