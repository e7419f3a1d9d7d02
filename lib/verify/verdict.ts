import type { BlockFile } from '../blocks/open.js';
import { type LayerBlocks, piecesIn } from '../model/transformers/network.js';
import { quoted } from '../words/names.js';
import type { Finding, Findings } from './findings.js';
import type { Leftovers } from './leftovers.js';
import { withoutNumber } from './lookup.js';
import { nameOf, type Source } from './slots.js';
import { summaryOf } from './summary.js';
import { errorOf } from './tally.js';
import type {
  Fault,
  LayoutChange,
  TensorCheck,
  VerifyOutcome,
  VerifyResult,
  VerifySide,
  VerifyVerdict,
} from './terms.js';

interface Found {
  readonly f: BlockFile;
  readonly g: BlockFile;
  readonly digests: readonly [string, string];
  readonly found: readonly Findings[];
  readonly settings: readonly Fault[];
  readonly rotation: LayoutChange | undefined;
  readonly leftovers: Leftovers;
}

/** All that was found of two transformers, as one result. */
export function verdictOf({ f, g, digests, found, settings, rotation, leftovers }: Found): VerifyResult {
  const notes = [...uncomparedIn(f, g), ...leftIn(leftovers)].map((words) => `not compared: ${words}`);
  return resultOf({
    sides: [sideOf(f, f.network.layout, digests[0]), sideOf(g, g.network.layout, digests[1])],
    found,
    faults: [...settings, ...layerFaults(f, g), ...tensorFaults(found)],
    layouts: layoutsOf(f, g, found, rotation, digests[0] !== digests[1]),
    notes,
    hasUncompared: notes.length > 0,
  });
}

interface Judged {
  readonly sides: readonly [VerifySide, VerifySide];
  readonly found: readonly Findings[];
  readonly faults: readonly Fault[];
  readonly layouts: readonly LayoutChange[];
  readonly notes: readonly string[];
  readonly hasUncompared: boolean;
}

/** What follows from what was found. */
export function resultOf(judged: Judged): VerifyResult {
  const { sides, found, faults, layouts, notes } = judged;
  const [reference, candidate] = sides;
  const verdict = verdictFrom(judged);
  const outcome: VerifyOutcome = verdict === 'unknown' ? 'undecided' : faults.length > 0 ? 'fail' : 'pass';
  const tensors = found.flatMap(({ all, layer }) => all.map((finding) => checkOf(finding, layer)));
  const result = { outcome, verdict, reference, candidate, layouts, faults, tensors, notes };
  return { ...result, summary: summaryOf(result, found) };
}

function verdictFrom({ sides, found, faults, layouts, hasUncompared }: Judged): VerifyVerdict {
  const all = found.flatMap((one) => one.all);
  if (faults.length > 0) return faults.every(({ cause }) => cause === 'numbers-moved') ? 'moved' : 'different';
  if (sides[0].sha256 === sides[1].sha256) return 'same-bytes';
  if (hasUncompared) return 'unknown';
  for (const state of ['quantised', 'rounded'] as const)
    if (all.some((finding) => finding.state === state)) return state;
  return layouts.some(({ kind }) => kind !== 'container') ? 'other-layout' : 'same-function';
}

export function sideOf(
  { path, checkpoint }: Pick<BlockFile, 'path' | 'checkpoint'>,
  layout: string | null,
  sha256: string,
): VerifySide {
  const counts = new Map<string, number>();
  for (const { dtype, quantised } of checkpoint.tensors.values()) {
    const type = quantised?.format ?? dtype;
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  const types = [...counts].sort(([, a], [, b]) => b - a).map(([type]) => type);
  return { file: path, sha256, layout, types };
}

function checkOf({ compared, state, quantised }: Finding, layer: number | null): TensorCheck {
  const { slot } = compared;
  const name = (source: Source | undefined) => (source === undefined ? '' : nameOf(source));
  return {
    ...{ layer, role: slot.role, reference: name(slot.reference), candidate: name(slot.candidate), state },
    error: errorOf(compared),
    ...(quantised && { quantised }),
  };
}

/** Faults of tensors, those of one cause together. */
export function tensorFaults(found: readonly Findings[]): Fault[] {
  const faults = new Map<string, Fault & { tensors: string[] }>();
  for (const { all, layer } of found)
    for (const { fault, compared } of all) {
      if (fault === undefined) continue;
      const { slot } = compared;
      const name = nameOf((fault.cause === 'missing-tensor' ? slot.reference : (slot.candidate ?? slot.reference))!);
      // What a sentence says of one tensor is said of all that are in its place in other layers.
      const key = `${fault.cause} ${withoutNumber(slot.role)}`;
      const known = faults.get(key);
      if (known !== undefined) known.tensors.push(name);
      else faults.set(key, { cause: fault.cause, text: `${name} ${fault.text}`, tensor: name, layer, tensors: [name] });
    }
  return [...faults.values()];
}

/** Layers that one of the two has more. */
function layerFaults(f: BlockFile, g: BlockFile): Fault[] {
  const [one, other] = [f.network, g.network];
  const faults: Fault[] = [];
  if (one.width !== other.width)
    faults.push(
      fault('wrong-shape', `the residual stream is ${other.width} wide, and ${one.width} in the reference`, []),
    );
  if (one.layers.length > other.layers.length)
    faults.push(
      fault(
        'missing-tensor',
        `the candidate has ${other.layers.length} of ${one.layers.length} layers`,
        one.layers.slice(other.layers.length),
      ),
    );
  if (one.layers.length < other.layers.length)
    faults.push(
      fault(
        'extra-tensor',
        `the candidate has ${other.layers.length} layers, and the reference ${one.layers.length}`,
        other.layers.slice(one.layers.length),
      ),
    );
  return faults;
}

/** @param layers that are in one of the two alone */
function fault(cause: Fault['cause'], text: string, layers: readonly LayerBlocks[]): Fault {
  const tensors = [...new Set(layers.flatMap((layer) => [...piecesIn(layer)].map(([, { tensor }]) => tensor)))];
  const [tensor = null] = tensors;
  const layer = layers[0]?.number ?? null;
  return {
    ...{ cause, layer, tensor, tensors },
    text: tensor === null ? text : `${text}; ${tensor} is the first that is in one of them alone`,
  };
}

/** Where a change of layout stands in a list; those that are not named are 1. */
const RANKS: Readonly<Partial<Record<LayoutChange['kind'], number>>> = {
  'interleaved-pairs': 0,
  names: 2,
  container: 3,
};

/** In what ways the candidate is written otherwise, each with the layers in which it is so. */
function layoutsOf(
  f: BlockFile,
  g: BlockFile,
  found: readonly Findings[],
  rotation: LayoutChange | undefined,
  isWritten: boolean,
): LayoutChange[] {
  const changes: LayoutChange[] = [];
  const all = found.flatMap((one) => one.all);
  const renamed = all.filter(
    ({ compared: { slot } }) =>
      // A head may be the embedding, whose name it has then.
      slot.role !== 'unembedding' &&
      slot.reference &&
      slot.candidate &&
      nameOf(slot.reference) !== nameOf(slot.candidate),
  );
  if (f.network.layout !== g.network.layout)
    changes.push({ kind: 'names', text: `names of ${g.network.layout} for those of ${f.network.layout}` });
  else if (renamed.length > 0) changes.push({ kind: 'names', text: 'names that begin otherwise' });
  if (isWritten && f.checkpoint.format !== g.checkpoint.format)
    changes.push({ kind: 'container', text: `${g.checkpoint.format} for ${f.checkpoint.format}` });
  const layers = new Map<string, LayoutChange & { layers: number[] }>();
  for (const { layer, changes: own } of found)
    for (const change of own) {
      if (layer === null) {
        changes.push(change);
        continue;
      }
      const known = layers.get(change.text);
      if (known === undefined) layers.set(change.text, { ...change, layers: [layer] });
      else known.layers.push(layer);
    }
  for (const change of layers.values()) changes.push(change);
  if (rotation !== undefined) changes.push(rotation);
  // What the readers of a sentence look for comes first.
  const rank = ({ kind }: LayoutChange) => RANKS[kind] ?? 1;
  return changes.sort((a, b) => rank(a) - rank(b));
}

/** Parts that are not compared, in words. */
function uncomparedIn(f: BlockFile, g: BlockFile): string[] {
  const words = [f, g].flatMap(({ network }) =>
    network.layers.flatMap(({ uncompared = [] }) => uncompared.map(({ part, reason }) => `${part} ${reason}`)),
  );
  return [...new Set(words)];
}

/** Tensors that no part of the networks is made of and that have no counterpart, in words. */
function leftIn({ reference, candidate }: Leftovers): string[] {
  const sides = [
    ['reference', reference],
    ['candidate', candidate],
  ] as const;
  return sides.flatMap(([which, names]) => (names.length === 0 ? [] : [`${quoted(names)} of the ${which}`]));
}
