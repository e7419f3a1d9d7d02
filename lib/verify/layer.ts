import type { BlockFile } from '../blocks/open.js';
import { Pacer } from '../cooperate.js';
import type { LayerBlocks } from '../model/transformers/network.js';
import { diagnoseLayer } from './diagnose.js';
import { type Finding, type Findings, isOpen } from './findings.js';
import { checkFolding, normGroups } from './folding.js';
import { type FunctionCheck, toleranceOf } from './functions.js';
import type { VerifyOptions } from './options.js';
import { checkPermuted } from './permuted.js';
import { checkQuantised, quantisedOf } from './quantised.js';
import { checkRescaled } from './rescaled.js';
import { nameOf, precisionOf, type Slot, type Source, slotsOfEnds, slotsOfLayer, sourceOf } from './slots.js';
import { compareSlot, errorOf } from './tally.js';
import type { LayoutChange } from './terms.js';

type Change = Pick<LayoutChange, 'kind' | 'text'>;

/** What two layers at one place of two networks have in common, and what is wrong with the second as far as the two tell. */
export async function verifyLayer(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  check: FunctionCheck | undefined,
  options: VerifyOptions,
): Promise<Findings> {
  const all = await findAll(slotsOfLayer(f, one, g, other), options);
  const pacer = new Pacer(options.signal);
  const groups = normGroups(all);
  const changes: Change[] = [...changesOfLayer(one, other, all), ...(await checkRescaled(groups, all, options, pacer))];
  for (const group of groups) {
    const change = await checkFolding(group, pacer);
    if (change !== undefined) changes.push(change);
  }
  const permuted = await checkPermuted(all, pacer);
  if (permuted !== undefined) changes.push(permuted);
  if (check !== undefined) for (const change of await checkFunctions(one, other, all, check)) changes.push(change);
  await diagnoseLayer(one.number, all, options.signal);
  return { layer: one.number, all, changes };
}

/** Of what stands outside of layers, what is behind them. */
const BEHIND = /^(?:finalNorm|unembedding)/;

/** The same of what stands before the layers, and of what stands behind them. */
export async function verifyEnds(
  f: BlockFile,
  g: BlockFile,
  options: VerifyOptions,
): Promise<Readonly<Record<'before' | 'behind', Findings>>> {
  const changes: Change[] = [];
  const slots = slotsOfEnds(f, g).map((slot) => {
    const { reference, candidate, role } = slot;
    if (role !== 'unembedding' || (reference !== undefined && candidate !== undefined)) return slot;
    // The embedding serves for it.
    const of = (file: BlockFile, own: Source | undefined) =>
      own ?? (file.network.embedding && sourceOf(file, file.network.embedding));
    const [a, b] = [of(f, reference), of(g, candidate)];
    return { ...slot, ...(a && { reference: a }), ...(b && { candidate: b }) };
  });
  const all = await findAll(slots, options);
  const tied = [f, g].map(({ network }) => network.unembedding === undefined);
  const head = all.find(({ compared: { slot } }) => slot.role === 'unembedding');
  if (tied[0] !== tied[1] && head !== undefined && head.state !== 'different')
    changes.push({
      kind: 'tied-head',
      text: tied[0] ? 'the head is stored, and is the embedding' : 'the head is not stored, and is the embedding',
    });
  for (const group of normGroups(all)) {
    const change = await checkFolding(group, new Pacer(options.signal));
    if (change !== undefined) changes.push(change);
  }
  // Where the embedding is wrong as well, that says what is the matter.
  const embedding = all.find(({ compared: { slot } }) => slot.role === 'embedding');
  if (tied[0] !== tied[1] && head !== undefined && isOpen(head) && embedding?.state !== 'different')
    head.fault = tied[0]
      ? { cause: 'extra-tensor', text: 'is not in the reference, whose embedding serves for it and is another' }
      : { cause: 'missing-tensor', text: 'is not in the candidate, whose embedding serves for it and is another' };
  await diagnoseLayer(null, all, options.signal);
  const isBehind = ({ compared: { slot } }: Finding) => BEHIND.test(slot.role);
  return {
    before: { layer: null, all: all.filter((one) => !isBehind(one)), changes: [] },
    behind: { layer: null, all: all.filter(isBehind), changes },
  };
}

export async function findAll(slots: readonly Slot[], options: VerifyOptions): Promise<Finding[]> {
  const pacer = new Pacer(options.signal);
  const found: Finding[] = [];
  for (const slot of slots) found.push(await findingOf(slot, options, pacer));
  return found;
}

/** A relative error that nothing but rounding in float32 leaves. */
const LAST_DIGITS = 2 ** -22;

async function findingOf(slot: Slot, options: VerifyOptions, pacer: Pacer): Promise<Finding> {
  const compared = await compareSlot(slot, pacer);
  const { both } = compared;
  if (both?.isEqual) return { compared, state: 'equal' };
  if (both !== undefined && isQuantised(slot) && compared.candidate?.isFinite && compared.reference?.isFinite) {
    const { quantised, isOne, fault } = await checkQuantised(compared, options, pacer);
    return { compared, state: isOne ? 'quantised' : 'different', quantised, ...(fault && { fault }) };
  }
  const { rounding, isReversed } = both ?? {};
  if (rounding === undefined)
    return (errorOf(compared) ?? 1) <= LAST_DIGITS && precisionOf((slot.candidate ?? slot.reference)!) < LAST_DIGITS
      ? { compared, state: 'rounded', rounded: 'in the last digits of float32' }
      : { compared, state: 'different' };
  if (rounding.isFair) {
    const words = isReversed ? `${rounding.words} in the reference` : rounding.words;
    return { compared, state: 'rounded', rounded: words };
  }
  return {
    compared,
    state: 'different',
    fault: { cause: 'coarse', text: `is brought ${rounding.words}, not by rounding` },
  };
}

const isQuantised = ({ reference, candidate }: Slot): boolean =>
  [reference, candidate].some((one) => quantisedOf(one) !== undefined);

/** In what way the two are written otherwise, as far as their layouts tell. */
function changesOfLayer(one: LayerBlocks, other: LayerBlocks, all: readonly Finding[]): Change[] {
  const changes: Change[] = [];
  const [a, b] = [one.attention, other.attention];
  const rotations = [a?.rotation, b?.rotation];
  if (rotations.every((own) => own != null)) {
    const [f, g] = rotations.map((own) => own!.interleaved);
    const names = [f, g].map((interleaved) => (interleaved ? 'interleaved pairs' : 'pairs half a head apart'));
    if (f !== g) changes.push({ kind: 'interleaved-pairs', text: `${names[1]} for ${names[0]}` });
    else if (f && all.some(isRenamed)) changes.push({ kind: 'interleaved-pairs', text: 'interleaved pairs in both' });
  }
  const packed = (own: LayerBlocks) =>
    own.attention !== undefined && own.attention.query.tensor === own.attention.key.tensor;
  if (packed(one) !== packed(other) && a && b)
    changes.push({
      kind: 'packing',
      text: `queries, keys and values ${packed(other) ? 'in one tensor' : 'in tensors of their own'}`,
    });
  if (packed(one) && packed(other)) {
    const byHead = [a, b].map((own) => (own!.query.rows?.count ?? 1) > 1);
    if (byHead[0] !== byHead[1])
      changes.push({
        kind: 'packing',
        text: `queries, keys and values ${byHead[1] ? 'head by head' : 'one after the other'} in their tensor`,
      });
  }
  const stacked = (own: LayerBlocks) => own.experts?.experts[0]?.up.expert !== undefined;
  if (stacked(one) !== stacked(other) && one.experts && other.experts)
    changes.push({ kind: 'packing', text: `experts ${stacked(other) ? 'in one tensor' : 'in tensors of their own'}` });
  const inOne = (own: LayerBlocks) => own.mlp?.gate !== undefined && own.mlp.gate.tensor === own.mlp.up.tensor;
  if (inOne(one) !== inOne(other) && one.mlp && other.mlp)
    changes.push({
      kind: 'packing',
      text: `gate and up ${inOne(other) ? 'in one tensor' : 'in tensors of their own'}`,
    });
  const isTurned = (own: LayerBlocks) =>
    [own.attention?.output, own.mlp?.down].some((piece) => piece?.transposed === true || piece?.perHead === true);
  if (isTurned(one) !== isTurned(other))
    changes.push({ kind: 'transposed', text: 'matrices stored as their transposes' });
  const fromOne = (own: LayerBlocks) => [own.attentionNorm, own.mlpNorm].some((norm) => norm?.fromOne === true);
  if (fromOne(one) !== fromOne(other))
    changes.push({ kind: 'gain-offset', text: 'gains of norms counted from another number' });
  return changes;
}

const isRenamed = ({ compared: { slot } }: Finding): boolean =>
  slot.reference !== undefined && slot.candidate !== undefined && nameOf(slot.reference) !== nameOf(slot.candidate);

/** Parts of a layer that may be other weights and the same function. */
const PARTS = [
  { part: 'attention', norm: 'attentionNorm' },
  { part: 'mlp', norm: 'mlpNorm' },
  { part: 'experts', norm: 'mlpNorm' },
] as const;

/** Compares as functions what other weights do not explain, and marks what is one. */
export async function checkFunctions(
  one: LayerBlocks,
  other: LayerBlocks,
  all: readonly Finding[],
  check: FunctionCheck,
  wanted = (findings: readonly Finding[]) =>
    findings.some(isOpen) && findings.every(({ fault }) => fault === undefined),
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const { part, norm } of PARTS) {
    if (one[part] === undefined || other[part] === undefined) continue;
    const own = all.filter(
      ({ compared: { slot } }) => slot.role.startsWith(`${part}.`) || slot.role.startsWith(`${norm}.`),
    );
    if (
      !wanted(own) ||
      !own.every(isWhole) ||
      own.some(isNothing) ||
      own.some(({ compared }) => isQuantised(compared.slot))
    )
      continue;
    const change = await check[part](one, other, toleranceOf(own.map(({ compared }) => compared)));
    if (change === undefined) continue;
    changes.push(change);
    for (const finding of own) settle(finding);
  }
  return changes;
}

/** Takes what is open as a part of a function that is the same. */
export function settle(finding: Finding): void {
  if (finding.state !== 'different') return;
  finding.state = 'same-function';
  delete finding.fault;
}

/** Whether a matrix is zero on one side: what is made of it is a function that has no direction. */
const isNothing = ({ compared: { slot, reference, candidate } }: Finding): boolean =>
  !/bias$/i.test(slot.role) && (reference?.constant === 0 || candidate?.constant === 0);

/** Whether a tensor can be a part of a function at all. */
const isWhole = ({ compared }: Finding): boolean =>
  (compared.reference?.isFinite ?? true) && (compared.candidate?.isFinite ?? true) && compared.both !== undefined;
