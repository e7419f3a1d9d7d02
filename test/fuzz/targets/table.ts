import type { Target } from '../engine/target.js';
import { passesToAddon } from './addon.js';
import { readsBlockSettings, readsBlocks } from './blocks.js';
import { readsCommands, readsPatterns } from './commands.js';
import { readsDescriptions, readsIndexes, readsSettings } from './descriptions.js';
import { readsEquations } from './equations.js';
import { readsGguf } from './gguf.js';
import { readsHub } from './hub.js';
import { readsNetworks } from './networks.js';
import { readsNpy, readsNpz, readsOnnx, readsPytorch, readsSafetensors } from './readers.js';
import { readsBaselines, readsLaws, readsStates } from './results.js';
import { readsSamples } from './samples.js';

/** All that reads what comes from outside. */
export const TARGETS: readonly Target[] = [
  readsSafetensors,
  readsIndexes,
  readsPytorch,
  readsNpz,
  readsNpy,
  readsOnnx,
  readsGguf,
  readsStates,
  readsSamples,
  readsDescriptions,
  readsSettings,
  readsBlocks,
  readsBlockSettings,
  readsEquations,
  readsHub,
  readsPatterns,
  readsBaselines,
  readsLaws,
  readsCommands,
  readsNetworks,
  ...passesToAddon,
];

/** Readers whose findings are known and not mended yet: they are fuzzed, and their findings fail nothing. */
export const OPEN: ReadonlySet<string> = new Set();

/** The targets with a text in their names. */
export const targetsCalled = (part: string): readonly Target[] => TARGETS.filter(({ name }) => name.includes(part));
