/** Nodes in (−1, 1) and weights of Gauss–Legendre quadrature. */
export interface LegendreRule {
  readonly nodes: Float64Array;
  readonly weights: Float64Array;
}

/**
 * The rule of `count` points on [−1, 1], exact for polynomials of degree 2·count − 1: the roots of the Legendre
 * polynomial by Newton's method from Tricomi's approximation.
 */
export function gaussLegendre(count: number): LegendreRule {
  const nodes = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let x = -Math.cos((Math.PI * (i + 0.75)) / (count + 0.5));
    let slope = 0;
    // From there Newton's method has converged after four steps; more change nothing.
    for (let step = 0; step < 6; step++) {
      let [before, value] = [1, x];
      for (let k = 1; k < count; k++) [before, value] = [value, ((2 * k + 1) * x * value - k * before) / (k + 1)];
      slope = (count * (before - x * value)) / ((1 - x) * (1 + x));
      x -= value / slope;
    }
    nodes[i] = x;
    weights[i] = 2 / ((1 - x) * (1 + x) * slope * slope);
  }
  return { nodes, weights };
}

/** The same, made when it is first looked at: most runs need none. */
export function whenNeeded(count: number): LegendreRule {
  let rule: LegendreRule | undefined;
  const made = () => {
    rule ??= gaussLegendre(count);
    return rule;
  };
  return {
    get nodes() {
      return made().nodes;
    },
    get weights() {
      return made().weights;
    },
  };
}
