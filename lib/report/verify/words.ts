import type { Fault, FaultCause, LayoutChange, MergedTensor, TensorCheck, VerifySide } from '../../verify/terms.js';
import { layersText, numberedNames } from '../../words/numbered.js';
import { errorText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';

/** What is the matter, in a few words. */
const CAUSES: Readonly<Record<FaultCause, string>> = {
  'missing-tensor': 'missing',
  'extra-tensor': 'without a counterpart',
  'wrong-shape': 'another shape',
  'not-finite': 'not finite',
  collapsed: 'collapsed',
  'pairs-order': 'rotary pairs in another order',
  'head-count': 'ordered for another number of heads',
  transposed: 'transposed',
  swapped: 'swapped',
  'other-layer': 'of another layer',
  'other-expert': 'of another expert',
  packing: 'taken apart in another order',
  scaled: 'scaled',
  sign: 'another sign',
  'gain-offset': 'gains of norms off by one',
  'norm-not-folded': 'norm not folded',
  'norm-folded-twice': 'norm folded twice',
  'heads-moved': 'heads in another order',
  'units-moved': 'units in another order',
  'numbers-moved': 'same numbers in other places',
  'low-rank': 'changed by a low rank',
  setting: 'another setting',
  coarse: 'worse than its format makes it',
  perturbed: 'near, and not the same',
  replaced: 'other numbers',
  'not-merged': 'not merged',
  'merged-twice': 'merged twice',
  'wrong-scale': 'merged with another scale',
  'wrong-slice': 'merged into another part',
  'changed-elsewhere': 'changed, and no adapter changes it',
};

const STATES: Readonly<Record<TensorCheck['state'] | MergedTensor['state'], string>> = {
  equal: 'equal',
  rounded: 'rounded',
  quantised: 'quantised',
  'same-function': 'same function',
  different: 'different',
  'not-compared': 'not compared',
  merged: 'merged',
  'not-merged': CAUSES['not-merged'],
  'merged-twice': CAUSES['merged-twice'],
  'wrong-scale': CAUSES['wrong-scale'],
  'wrong-slice': CAUSES['wrong-slice'],
};

export const causeText = (cause: FaultCause): string => CAUSES[cause];
export const stateText = (state: keyof typeof STATES): string => STATES[state];

/** Faults of one kind, told once. */
export interface ToldFault {
  /** What is the matter, in a few words. */
  readonly title: string;
  /** The tensors in a few words; empty for what is of none. */
  readonly where: string;
  /** Whether it is of more than one: the sentence names the first alone. */
  readonly isOfMany: boolean;
  /** The sentence of the first. */
  readonly text: string;
}

/** Causes that are told by a number which says what went wrong; in the others numbers say where, or by how much. */
const TOLD_BY_NUMBER: readonly FaultCause[] = ['scaled', 'head-count', 'wrong-scale', 'setting'];

/** Faults with those together of which the same is said of other tensors. */
export function toldFaults(faults: readonly Fault[]): ToldFault[] {
  const alike = new Map<string, { readonly first: Fault; readonly tensors: Set<string> }>();
  for (const fault of faults) {
    const { cause, tensor } = fault;
    const said = tensor === null ? fault.text : fault.text.replaceAll(tensor, '');
    const key = `${cause} ${TOLD_BY_NUMBER.includes(cause) ? said : said.replace(/\d+/g, '#')}`;
    const group = alike.get(key) ?? { first: fault, tensors: new Set() };
    for (const one of tensorsOf(fault)) group.tensors.add(one);
    alike.set(key, group);
  }
  return [...alike.values()].map(({ first, tensors }) => ({
    title: causeText(first.cause),
    where: numberedNames([...tensors]),
    isOfMany: tensors.size > 1,
    text: oneLine(first.text),
  }));
}

/** All tensors that a fault is of. */
export function tensorsOf({ tensor, tensors }: Fault): readonly string[] {
  return tensor === null || tensors.includes(tensor) ? tensors : [tensor, ...tensors];
}

const LAYOUTS: Readonly<Partial<Record<LayoutChange['kind'], string>>> = {
  names: 'other names',
  container: 'other container',
};

export const layoutTitle = ({ kind }: LayoutChange): string => LAYOUTS[kind] ?? 'other layout';

/** How the candidate is written otherwise, in which layers, and what shows it. */
export function layoutText({ text, layers = [], certificate }: LayoutChange): string {
  const where = layers.length === 0 ? '' : `, ${layersText(layers)}`;
  const shown =
    certificate === undefined
      ? ''
      : ` (orthogonal to ${errorText(certificate.orthogonality)}, weights behind it the same to ${errorText(certificate.residual)})`;
  return `${oneLine(text)}${where}${shown}`;
}

/** A file as it was found. */
export function sideText({ file, layout, types, sha256 }: VerifySide): string {
  const found = [layout ?? 'compared by names', types.join(', '), `sha256 ${sha256.slice(0, 12)}…`];
  return [file, ...found]
    .filter((text) => text !== '')
    .map(oneLine)
    .join(' · ');
}
