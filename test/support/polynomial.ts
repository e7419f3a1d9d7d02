import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../lib/index.js';

/** The kinds of layers that are polynomials whatever their fields. */
export type PolynomialLayer = LinearLayer | BilinearLayer | AttentionLayer;

/** The layer, if it is of such a kind. @throws Error for others, which an oracle of polynomials does not know. */
export function polynomial(layer: Layer): PolynomialLayer {
  if (layer.type === 'linear' || layer.type === 'bilinear' || layer.type === 'attention') return layer;
  throw new Error(`the oracle does not know layers of the kind ${layer.type}`);
}
