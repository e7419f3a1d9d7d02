import type { TensimError } from '../../errors.js';
import { count, plural } from '../../words/counts.js';
import { listed, quoted } from '../../words/names.js';
import type { Tensors } from '../blueprint.js';
import { type Blocks, blocksOf, numbersOf } from './blocks.js';
import { isLinear, modulesOf, ownPaths } from './modules.js';
import { orderOf } from './order_of_layers.js';
import { type Finding, refused, shown, untold } from './refusals.js';

/* Networks that are known for what they are, and are no chain of layers that is compared. */

/** Attention by the names of its matrices, those of quadratic attention excepted. */
const ATTENTION =
  /c_attn|(?:^|[._/])(?:self_?attn|attn|attention|mha|self_attention|crossattention)(?:[._/]|$)|in_proj_weight|(?:^|[._/])(?:q|k|v|qkv|query|key|value)(?:_?proj)?[._/](?:weight|bias)$/i;
const QUADRATIC = /(?:^|[._/])[qk][12](?:_proj)?[._/]/;
const RECURRENT = /(?:^|[._/])(?:weight|bias)_[ih]h_l\d+|(?:^|[._/])recurrent_kernel/;
/** Attention whose patterns are squares or products, within norms of queries and keys: GPT-2 in other clothes. */
const SQUARED = /(?:^|[._/])attn[._/](?:c_[qk]2[._/]weight|(?:bilinear_)?lamb)$/;
const ADAPTER = /(?:^|[._/])lora_|(?:^|[._/])hada_|(?:^|[._/])lokr_/i;

/**
 * What a network is that has no layers we compare, and what to do; undefined for one that is not known either.
 * @param inFile the names in the file.
 */
export function foreign(tensors: Tensors, file: string, inFile: (name: string) => string): TensimError | undefined {
  const names = [...tensors.keys()];
  const quotedName = (name: string) => quoted([inFile(name)]);
  const adapter = names.find((name) => ADAPTER.test(name));
  if (adapter !== undefined)
    return untold(
      file,
      [`holds adapters (${quotedName(adapter)})`, 'they are a change to another network and none by themselves'],
      ...(/lora_/i.test(adapter) ? ['compare it with other adapters (tensim adapters A B)'] : []),
    );
  const squared = names.find((name) => SQUARED.test(name));
  if (squared !== undefined) {
    const what = `has squared or bilinear attention behind norms of queries and keys (${quotedName(squared)})`;
    return notAsAWhole(file, [what, 'as a whole it is no polynomial'], blocksOf(tensors));
  }
  const attention = names.find((name) => ATTENTION.test(name));
  if (attention !== undefined && !names.some((name) => QUADRATIC.test(name))) {
    const blocks = blocksOf(tensors);
    const size = blocks === undefined ? '' : ` of ${count(blocks.count)} ${plural(blocks.count, 'block')}`;
    const what = `is a transformer${size} with a softmax in its attention (${quotedName(attention)})`;
    const found = [what, 'as a whole it has no exact comparison'] as const;
    return blocks === undefined ? untold(file, found) : notAsAWhole(file, found, blocks);
  }
  const recurrent = names.find((name) => RECURRENT.test(name));
  if (recurrent !== undefined)
    return untold(file, [`is a recurrent network (${quotedName(recurrent)})`, 'it is no chain of layers']);
  const kernel = [...tensors].find(([name, { shape }]) => /weight|kernel|filter/i.test(name) && isKernel(name, shape));
  if (kernel !== undefined) {
    const [name, { shape }] = kernel;
    return untold(file, [
      `is a convolutional network (${shown({ inFile: inFile(name), shape })})`,
      'its names do not say how its layers follow each other',
    ]);
  }
  return severalChains(tensors, file);
}

/** A transformer, and the ways in which it can be compared all the same. */
function notAsAWhole(file: string, found: Finding, blocks: Blocks | undefined): TensimError {
  const ways = [
    'block by block (tensim blocks A B)',
    ...(blocks === undefined ? [] : [`one MLP of it (${numbersOf(blocks)})`]),
    'as a whole by samples (compare --method sampled --input tokens --positions 8)',
    'as a model.json describes it (--model FILE)',
    'by --measure weights',
  ];
  return refused(file, found, `Compare it ${listed(ways, 'or')}`);
}

const isKernel = (name: string, { length }: readonly number[]): boolean =>
  length === 4 || length === 5 || (length === 3 && /conv/i.test(name));

/** Networks side by side in one file, each a chain of its own. */
function severalChains(tensors: Tensors, file: string): TensimError | undefined {
  const groups = new Map<string, Map<string, Tensors extends ReadonlyMap<string, infer Info> ? Info : never>>();
  for (const [name, info] of tensors) {
    const [first] = name.split(/[./]/);
    groups.set(first, (groups.get(first) ?? new Map()).set(name, info));
  }
  const chains = [...groups].filter(([, own]) => {
    const modules = modulesOf(own).filter(isLinear);
    return modules.length > 1 && orderOf(ownPaths(modules)) !== undefined;
  });
  if (chains.length < 2) return undefined;
  const [first, ...others] = chains.map(([name]) => name);
  const ignored = [...groups.keys()].filter((name) => name !== first).map((name) => `--ignore ${quoted([`${name}*`])}`);
  return untold(
    file,
    [
      `holds ${count(chains.length)} networks side by side, ${listed(
        [first, ...others].map((name) => quoted([name])),
        'and',
      )}`,
      'it is not said which of them is meant',
    ],
    `leave out all but one (for ${quoted([first])}: ${ignored.slice(0, 4).join(' ')}, option "ignore")`,
  );
}
