import { TensimError } from '../../errors.js';
import { branchesOf, isBlock, type LayerOf, mixesPositions } from '../../layers/layer.js';
import { kindOf } from '../../layers/table.js';
import type { Layer, Model } from '../../model/model.js';
import type { Tensor } from '../../tensor/tensor.js';

/** A block of a transformer, and what makes its input of the stream before it. */
export interface Block {
  /** `attn.0`, `mlp.0`, `attn.1` … */
  readonly name: string;
  /** The norm before it, without gain and bias; null: it takes the stream as it is. */
  readonly norm: Layer | null;
}

/** A part of a chain: layers in a row, and the blocks that take what comes into them. */
export interface Section {
  readonly layers: readonly Layer[];
  readonly blocks: readonly Block[];
}

/**
 * A model cut where its blocks begin, up to the last of them: branches of parallel layers, attention or an MLP each,
 * behind a norm or not. Those of one layer of the network have one number.
 * @throws TensimError `UNSUPPORTED_LAYER` for a model without such blocks
 */
export function sectionsOf({ layers, label }: Model): readonly Section[] {
  const sections: { layers: Layer[]; blocks: Block[] }[] = [{ layers: [], blocks: [] }];
  const names = new Set<string>();
  let number = 0;
  for (const layer of layers) {
    const branches = branchesOf(layer);
    const parts = branches.map(partOf);
    if (parts.some((part) => part !== undefined)) {
      const isNext = parts.some((part) => part !== undefined && names.has(`${part}.${number}`));
      // An MLP belongs to the attention before it, and attention begins a layer.
      if (isNext || (parts.includes('attn') && names.size > 0)) number++;
      const blocks = branches.flatMap((branch, i): Block[] => {
        const part = parts[i];
        return part === undefined ? [] : [{ name: `${part}.${number}`, norm: bareNormOf(branch[0]) }];
      });
      for (const { name } of blocks) names.add(name);
      sections.push({ layers: [], blocks });
    }
    sections[sections.length - 1].layers.push(layer);
  }
  if (names.size > 0) return sections;
  throw new TensimError('UNSUPPORTED_LAYER', `"${label}" has no blocks of a transformer`, {
    hint: 'Moments are taken of what attention and MLPs take that are branches of parallel layers, as whole transformers have them',
  });
}

/** What a branch is; undefined for one of linear layers and norms alone. */
function partOf(branch: readonly LayerOf<Tensor>[]): 'attn' | 'mlp' | undefined {
  if (branch.some(mixesPositions)) return 'attn';
  return branch.some((layer) => isBlock(layer) && kindOf(layer).bare === undefined) ? 'mlp' : undefined;
}

function bareNormOf(layer: Layer): Layer | null {
  return (kindOf(layer).bare?.(layer) as Layer | undefined) ?? null;
}
