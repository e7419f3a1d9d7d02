import { containers } from './conversions/containers.js';
import { layoutConversions } from './conversions/layouts.js';
import { quantisations } from './conversions/quantised.js';
import { symmetries } from './conversions/symmetries.js';
import { attentionFaults } from './faults/attention.js';
import { packingFaults } from './faults/packing.js';
import { quantisedFaults } from './faults/quantised.js';
import { settingFaults } from './faults/settings.js';
import { weightFaults } from './faults/weights.js';
import type { FaultyPair, RightPair } from './scenario.js';

export const faultyPairs: readonly FaultyPair[] = [
  ...attentionFaults,
  ...packingFaults,
  ...weightFaults,
  ...settingFaults,
  ...quantisedFaults,
];
export const rightPairs: readonly RightPair[] = [...containers, ...layoutConversions, ...symmetries, ...quantisations];
