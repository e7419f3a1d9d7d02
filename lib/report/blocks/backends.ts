import type { BlocksResult } from '../../blocks/terms.js';

/** Who multiplied, and who compared MLPs where that was another one. */
export function backendsText({ backend, mlpBackends = [] }: Pick<BlocksResult, 'backend' | 'mlpBackends'>): string {
  const others = mlpBackends.filter((own) => own.backend !== backend);
  const told = others.map((own) => `, MLPs ${own.method === 'exact' ? 'exactly' : 'sampled'} by ${own.backend}`);
  return `${backend}${told.join('')}`;
}
