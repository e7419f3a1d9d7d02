import { TensimError } from '../../../errors.js';
import { isFloatFormat } from '../../../tensor/convert.js';
import { quote } from '../../../words/quoting.js';
import type { Tensors } from '../../blueprint.js';
import type { BlockNetwork } from '../network.js';

/** Ends of names beside quantised weights, and who writes them. */
const SIGNS: readonly (readonly [ending: RegExp, by: string])[] = [
  [/\.(?:qweight|qzeros)$/, 'GPTQ or AWQ'],
  [/\.weight_packed$/, 'compressed-tensors'],
  [/\.weight\.(?:absmax|quant_map|quant_state\.)/, 'bitsandbytes'],
  [/\.SCB$/, 'LLM.int8 of bitsandbytes'],
  [/\.W_q$/, 'HQQ'],
  [/\.q_weight$/, 'EXL2'],
  [/\.trellis$/, 'EXL3'],
  [/\.Qidxs$/, 'QuIP#'],
  [/\.weight\._data$/, 'Quanto'],
  [/\.weight_scale_2$/, 'NVFP4'],
  [/\.weight_scale(?:_inv)?$|\.scale_weight$/, 'scaled FP8 or INT8'],
  [/[.:_]qdata$/, 'torchao'],
  [/\.scales$/, 'MLX'],
];

/** Element types of GGUF that hold weights in blocks with their scales. */
const BLOCKS = /^(?:I?Q\d|TQ\d|MXFP4|NVFP4)/;

/** Who quantised a network's weights, and the name of a tensor that tells; undefined where none is quantised. */
export function quantisedBy(tensors: Tensors): readonly [by: string, tensor: string] | undefined {
  for (const [name, { dtype }] of tensors) {
    if (BLOCKS.test(dtype)) return [`GGUF's ${dtype}`, name];
    const found = SIGNS.find(([ending]) => ending.test(name));
    if (found !== undefined) return [found[1], name];
  }
  return undefined;
}

/**
 * Refuses what is quantised in a way that is not decoded; with a network only where one of its own tensors is.
 * @throws TensimError `UNSUPPORTED_DTYPE`
 */
export function refuseQuantised(tensors: Tensors, file: string, network?: BlockNetwork): void {
  const found = quantisedBy(tensors);
  if (found === undefined) return;
  const [by, tensor] = found;
  if (network !== undefined && !isRead(tensors, network)) return;
  throw new TensimError('UNSUPPORTED_DTYPE', `is quantised (${by}: ${quote(tensor)}), which is not decoded`, {
    file,
    hint: 'Convert it to F32, F16 or BF16 first, or give the network that it was made of',
  });
}

/** Whether elements of a tensor that is looked at are no numbers of their own. */
function isRead(tensors: Tensors, network: BlockNetwork): boolean {
  const others = new Set([...network.others, ...network.layers.flatMap((layer) => layer.others)]);
  return [...tensors].some(([name, { dtype }]) => !others.has(name) && !isFloatFormat(dtype));
}
