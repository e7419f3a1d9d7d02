import { KindTable } from '../../layers/registry.js';
import { attention } from './attention.js';
import { bilinear } from './bilinear.js';
import type { FallbackLayer } from './kind.js';
import { linear } from './linear.js';

/** Every kind of layer that the fallback can run. */
export const fallbackLayers = new KindTable<FallbackLayer>({ linear, bilinear, attention });
