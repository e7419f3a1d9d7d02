/**
 * Nodes and weights of Gauss–Hermite quadrature for the standard normal; `count` points are exact to degree 2·count −
 * 1.
 */
export function hermite(count: number): { readonly nodes: readonly number[]; readonly weights: readonly number[] } {
  const nodes = roots(count);
  // w_i = 1 / (count · h_{count−1}(x_i)²) with the normalised polynomials h_k = He_k / √k!
  const weights = nodes.map((x) => 1 / (count * normalised(count - 1, x) ** 2));
  return { nodes, weights };
}

/** He_k(x) / √k!, by its recurrence. */
function normalised(k: number, x: number): number {
  let [before, here] = [0, 1];
  for (let i = 0; i < k; i++) [before, here] = [here, (x * here - Math.sqrt(i) * before) / Math.sqrt(i + 1)];
  return here;
}

/** The roots of He_count lie between those of He_{count−1}: bisection in every gap. */
function roots(count: number): number[] {
  if (count === 0) return [];
  const inner = roots(count - 1);
  const bound = 2 * Math.sqrt(count) + 1;
  const limits = [-bound, ...inner, bound];
  return limits.slice(1).map((high, i) => {
    let [a, b] = [limits[i], high];
    const sign = Math.sign(normalised(count, a));
    for (let step = 0; step < 80; step++) {
      const middle = (a + b) / 2;
      if (Math.sign(normalised(count, middle)) === sign) a = middle;
      else b = middle;
    }
    return (a + b) / 2;
  });
}
