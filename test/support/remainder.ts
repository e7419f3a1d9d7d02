import { gaussLegendre } from '../../lib/gaussian/legendre.js';

const POINTS = gaussLegendre(24);

/**
 * J_p = ∫₀^ρ (ρ − t)^p / p! ϕ₂(a, b; t) dt, what degrees above p make of E (z + a)_+^p (z' + b)_+^p / p!²: by Gauss
 * quadrature in the angle asin t, where nothing cancels. To 1e-15 for |ρ| ≤ 0.95.
 */
export function remainder(p: number, a: number, b: number, rho: number): number {
  const angle = Math.asin(rho);
  let sum = 0;
  let factorial = 1;
  for (let i = 2; i <= p; i++) factorial *= i;
  for (let i = 0; i < POINTS.nodes.length; i++) {
    const sine = Math.sin(0.5 * angle * (1 + POINTS.nodes[i]));
    const exponent = (a * a + b * b - 2 * a * b * sine) / (2 * (1 - sine) * (1 + sine));
    sum += POINTS.weights[i] * (rho - sine) ** p * Math.exp(-exponent);
  }
  return (sum * angle) / (4 * Math.PI * factorial);
}
