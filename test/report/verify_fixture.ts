import type { Verification } from '../../lib/report/verify/sheet.js';
import type {
  Fault,
  MergedTensor,
  MergeResult,
  TensorCheck,
  VerifyResult,
  VerifySide,
} from '../../lib/verify/terms.js';

const SHA = '0123456789abcdef'.repeat(4);

const side = (file: string, changes: Partial<VerifySide> = {}): VerifySide => ({
  ...{ file, sha256: SHA, layout: 'llama', types: ['BF16'] },
  ...changes,
});

const ROLES = {
  'attention.query': 'self_attn.q_proj.weight',
  'attention.key': 'self_attn.k_proj.weight',
  'mlp.up': 'mlp.up_proj.weight',
} as const;

export const nameOf = (layer: number, role: keyof typeof ROLES): string => `model.layers.${layer}.${ROLES[role]}`;

/** Three tensors of each of so many layers, and an embedding. */
export function checksOf(
  layers: number,
  change: (layer: number, role: keyof typeof ROLES) => Partial<TensorCheck> = () => ({}),
): TensorCheck[] {
  const check = (name: string, layer: number | null, role: string, more: Partial<TensorCheck>): TensorCheck => ({
    ...{ layer, role, reference: name, candidate: name, state: 'equal', error: 0 },
    ...more,
  });
  const roles = Object.keys(ROLES) as (keyof typeof ROLES)[];
  return [
    check('model.embed_tokens.weight', null, 'embedding', {}),
    ...Array.from({ length: layers }, (_, layer) =>
      roles.map((role) => check(nameOf(layer, role), layer, role, change(layer, role))),
    ).flat(),
  ];
}

export function faultOf(changes: Partial<Fault> = {}): Fault {
  const tensor = nameOf(0, 'attention.key');
  return {
    cause: 'pairs-order',
    text: `Rows of ${tensor} stand as interleaved pairs, and those of its queries do not.`,
    ...{ tensor, layer: 0, tensors: [tensor] },
    ...changes,
  };
}

/** A pair that is the same, or what is changed of it. */
export function pairOf(changes: Partial<VerifyResult> = {}): Verification & { readonly kind: 'pair' } {
  const result: VerifyResult = {
    ...{ outcome: 'pass', verdict: 'same-function', summary: 'Same function: the same weights in other files.' },
    reference: side('base/'),
    candidate: side('model.gguf', { layout: 'gguf' }),
    ...{ layouts: [], faults: [], tensors: checksOf(4), notes: [] },
    ...changes,
  };
  return { kind: 'pair', reference: result.reference.file, candidate: result.candidate.file, end: { result } };
}

/** A pair of which the keys of all layers have one fault. */
export function failingPair(layers: number): ReturnType<typeof pairOf> {
  const tensors = Array.from({ length: layers }, (_, layer) => nameOf(layer, 'attention.key'));
  return pairOf({
    ...{ outcome: 'fail', verdict: 'different', summary: `Different: first in layer 0, ${tensors[0]}.` },
    faults: [faultOf({ tensors })],
    tensors: checksOf(layers, (layer, role) =>
      role === 'attention.key' ? { state: 'different', error: 1 + layer / 100 } : {},
    ),
    notes: ['The tokenizer was not compared.'],
  });
}

export const mergedTensor = (changes: Partial<MergedTensor> = {}): MergedTensor => ({
  ...{ layer: 0, tensor: nameOf(0, 'attention.query'), state: 'merged', factor: 1, error: 1e-7 },
  ...changes,
});

export function mergeOf(changes: Partial<MergeResult> = {}): Verification & { readonly kind: 'merge' } {
  const result: MergeResult = {
    ...{ outcome: 'pass', summary: 'The adapter was merged once into all tensors that it changes.' },
    base: side('base/'),
    merged: side('merged/'),
    adapters: [{ file: 'lora/', kind: 'LoRA', rank: 16, scale: 2 }],
    tensors: [mergedTensor(), mergedTensor({ layer: 1, tensor: nameOf(1, 'attention.query') })],
    ...{ faults: [], notes: [] },
    ...changes,
  };
  const { base, adapters, merged } = result;
  return {
    ...{ kind: 'merge', base: base.file, adapters: adapters.map(({ file }) => file), merged: merged.file },
    end: { result },
  };
}
