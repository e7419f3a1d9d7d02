import { activationNamed } from '../../layers/activations.js';
import {
  type Fail,
  type Fields,
  onlyFields,
  readName,
  readNumber,
  readPositiveInteger,
  readRecord,
} from '../../layers/reader.js';
import { quoted } from '../../words/names.js';
import { valueText } from '../../words/quoting.js';
import type { AttentionNames, ExpertNames, Layout, MlpNames, Naming, Positional } from './layouts/layout.js';
import { byGroup, inBlocks } from './layouts/packing.js';
import type { NormKind, Source } from './settings.js';

/** The `blocks` of a model.json: where the blocks of a transformer of any naming are. */
export interface DescribedBlocks {
  readonly layout: Layout;
  /** What it says of the network, under the names of a config.json. */
  readonly settings: Source;
  /** All that it names, within layers and outside of them. */
  readonly named: readonly { readonly name: string; readonly field: string; readonly outside: boolean }[];
}

/** The fields of every object in it. schemas/tensim.model.1.schema.json says the same of them. */
export const BLOCKS_FIELDS = {
  blocks: [
    ...['layer', 'heads', 'groups', 'headWidth', 'attention', 'mlp', 'experts', 'norms'],
    ...['embedding', 'positions', 'unembedding', 'rotary', 'activation', 'transposed'],
  ],
  attention: ['query', 'key', 'value', 'packed', 'order', 'output', 'queryNorm', 'keyNorm'],
  mlp: ['gate', 'up', 'down', 'packed'],
  experts: ['router', 'gate', 'up', 'down', 'packed', 'shared', 'sharedGate'],
  norms: ['kind', 'place', 'fromOne', 'attention', 'mlp', 'behindAttention', 'behindMlp', 'embedding', 'final'],
  rotary: ['interleaved', 'base', 'share'],
} as const;

/** A name is that of a tensor, or of a module whose tensors are its `.weight` and `.bias`. */
export const NAMING: Naming = {
  weight: (name) => [`${name}.weight`, name],
  bias: biasesOf,
  gain: (name) => [`${name}.weight`, name],
  shift: biasesOf,
};

function biasesOf(name: string): readonly string[] {
  const [, module] = /^(.*)\.weight$/.exec(name) ?? [];
  return [`${module ?? name}.bias`, `${name}_bias`];
}

/**
 * Reads the `blocks` of a model.json.
 * @throws what `fail` does, naming the field that is wrong
 */
export function parseBlocks(value: unknown, file: string, fail: Fail): DescribedBlocks {
  const read = new BlocksReader(file, fail);
  return read.blocks(readRecord(value, '"blocks"', fail));
}

class BlocksReader {
  readonly #file: string;
  readonly #fail: Fail;
  readonly #named: { name: string; field: string; outside: boolean }[] = [];

  constructor(file: string, fail: Fail) {
    this.#file = file;
    this.#fail = fail;
  }

  blocks(fields: Fields): DescribedBlocks {
    onlyFields(fields, BLOCKS_FIELDS.blocks, '"blocks"', this.#fail);
    const layer = this.#layer(fields.layer);
    const attention = this.#part(fields, 'attention', (own) => this.#attention(own));
    const mlp = this.#part(fields, 'mlp', (own) => this.#mlp(own, '"blocks.mlp"', 'blocks.mlp'));
    const experts = this.#part(fields, 'experts', (own) => this.#experts(own));
    if (attention === undefined && mlp === undefined && experts === undefined)
      this.#fail('"blocks" has no "attention", no "mlp" and no "experts"', 'It says where these are in a layer');
    const norms = this.#norms(readRecord(fields.norms, '"blocks.norms"', this.#fail));
    const outside = (field: string) => this.#names(fields, field, 'blocks', true);
    const isTransposed = this.#truth(fields, 'transposed', 'blocks');
    const order = (fields.attention as Fields | undefined)?.order;
    const layout: Layout = {
      name: 'described',
      ...{ layer, signs: [], naming: NAMING },
      attention: attention ?? { output: [] },
      mlp: mlp ?? { up: [], down: [] },
      ...(experts && { experts }),
      ...norms,
      ...{ embedding: outside('embedding'), positions: outside('positions'), unembedding: outside('unembedding') },
      packing: order === 'heads' ? byGroup : inBlocks,
      ...(isTransposed && { transposed: () => true }),
      positional: this.#positional(fields.rotary),
    };
    return { layout, settings: { name: this.#file, values: this.#settings(fields) }, named: this.#named };
  }

  #layer(value: unknown): RegExp {
    const pattern = readName(value, '"blocks.layer"', this.#fail);
    const [before, after, ...more] = pattern.split('{L}');
    if (after === undefined || more.length > 0)
      this.#fail(
        `"blocks.layer" is ${valueText(pattern)}, without one {L}`,
        'It is what names in a layer begin with, {L} where the number stands: "model.layers.{L}."',
      );
    const [start, end] = [before, after].map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${start}(\\d+)${end}(.+)$`);
  }

  #part<Names>(fields: Fields, field: string, read: (own: Fields) => Names): Names | undefined {
    if (fields[field] === undefined) return undefined;
    return read(readRecord(fields[field], `"blocks.${field}"`, this.#fail));
  }

  #attention(fields: Fields): AttentionNames {
    onlyFields(fields, BLOCKS_FIELDS.attention, '"blocks.attention"', this.#fail);
    const names = (field: string) => this.#names(fields, field, 'blocks.attention');
    const isPacked = fields.packed !== undefined;
    this.#demand(
      fields,
      isPacked ? ['packed', 'order', 'output'] : ['query', 'key', 'value', 'output'],
      'blocks.attention',
    );
    if (isPacked) this.#choice(fields.order, '"blocks.attention.order"', ['parts', 'heads']);
    const apart = { query: names('query'), key: names('key'), value: names('value') };
    return {
      ...(isPacked ? { packed: names('packed') } : apart),
      output: names('output'),
      queryNorm: names('queryNorm'),
      keyNorm: names('keyNorm'),
    };
  }

  #mlp(fields: Fields, title: string, path: string, known: readonly string[] = BLOCKS_FIELDS.mlp): MlpNames {
    onlyFields(fields, known, title, this.#fail);
    const names = (field: string) => this.#names(fields, field, path);
    const isPacked = fields.packed !== undefined;
    this.#demand(fields, isPacked ? ['packed', 'down'] : ['up', 'down'], path);
    const down = names('down');
    if (isPacked) return { up: names('packed'), packed: names('packed'), down };
    return { ...(fields.gate !== undefined && { gate: names('gate') }), up: names('up'), down };
  }

  #experts(fields: Fields): ExpertNames {
    const own = this.#mlp(fields, '"blocks.experts"', 'blocks.experts', BLOCKS_FIELDS.experts);
    this.#demand(fields, ['router'], 'blocks.experts');
    const isNumbered = own.down[0].includes('{E}');
    const shared = this.#part({ shared: fields.shared }, 'shared', (part) =>
      this.#mlp(part, '"blocks.experts.shared"', 'blocks.experts.shared'),
    );
    return {
      router: this.#names(fields, 'router', 'blocks.experts'),
      ...(isNumbered ? { each: own } : { stacked: own }),
      ...(shared && { shared }),
      sharedGate: this.#names(fields, 'sharedGate', 'blocks.experts'),
    };
  }

  #norms(fields: Fields): NormsOfLayout {
    onlyFields(fields, BLOCKS_FIELDS.norms, '"blocks.norms"', this.#fail);
    const kind = this.#choice(fields.kind, '"blocks.norms.kind"', ['rms', 'layer', 'none']) as NormKind;
    const place = this.#choice(fields.place ?? 'before', '"blocks.norms.place"', ['before', 'sums', 'behind']);
    const names = (field: string, outside = false) => this.#names(fields, field, 'blocks.norms', outside);
    const fromOne = this.#truth(fields, 'fromOne', 'blocks.norms');
    return {
      norm: kind === 'layer' ? 'layer' : 'rms',
      bareNorm: () => (place === 'before' ? kind : 'none'),
      sums: () => place === 'sums',
      normsBehind: () => place === 'behind',
      fromOne: () => fromOne,
      ...{ attentionNorm: names('attention'), mlpNorm: names('mlp') },
      ...{ behindAttention: names('behindAttention'), behindMlp: names('behindMlp') },
      ...{ embeddingNorm: names('embedding', true), finalNorm: names('final', true) },
    };
  }

  #positional(value: unknown): Positional {
    if (value === 'alibi') return 'alibi';
    if (value === null) return 'none';
    if (value === undefined)
      return this.#fail(
        '"blocks" has no "rotary"',
        'It is { "interleaved": true or false }, "alibi", or null for none of these',
      );
    const fields = readRecord(value, '"blocks.rotary"', this.#fail);
    onlyFields(fields, BLOCKS_FIELDS.rotary, '"blocks.rotary"', this.#fail);
    this.#demand(fields, ['interleaved'], 'blocks.rotary');
    const { base, share } = fields;
    return {
      interleaved: this.#truth(fields, 'interleaved', 'blocks.rotary'),
      base: base === undefined ? 10_000 : this.#positive(base, '"blocks.rotary.base"'),
      ...(share !== undefined && { share: this.#positive(share, '"blocks.rotary.share"') }),
    };
  }

  /** What is said beside names, as a config.json says it. */
  #settings({ heads, groups, headWidth, activation, rotary }: Fields): Record<string, unknown> {
    const count = (value: unknown, field: string) =>
      value === undefined ? undefined : readPositiveInteger(value, `"blocks.${field}"`, this.#fail);
    if (activation !== undefined && (typeof activation !== 'string' || activationNamed(activation) === undefined))
      this.#fail(`"blocks.activation" is ${valueText(activation)}, which is not known`);
    const { base, share } = typeof rotary === 'object' && rotary !== null ? (rotary as Fields) : {};
    const values = {
      ...{ n_head: count(heads, 'heads'), num_key_value_heads: count(groups, 'groups') },
      ...{ head_dim: count(headWidth, 'headWidth'), activation, rope_theta: base, partial_rotary_factor: share },
    };
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  }

  #names(fields: Fields, field: string, path: string, outside = false): readonly string[] {
    const value = fields[field];
    if (value === undefined) return [];
    const name = readName(value, `"${path}.${field}"`, this.#fail);
    this.#named.push({ name, field: `${path}.${field}`, outside });
    return [name];
  }

  #demand(fields: Fields, wanted: readonly string[], path: string): void {
    const missing = wanted.filter((field) => fields[field] === undefined);
    if (missing.length > 0) this.#fail(`"${path}" has no ${quoted(missing)}`);
  }

  #choice(value: unknown, title: string, choices: readonly string[]): string {
    const found = choices.find((choice) => choice === value);
    return found ?? this.#fail(`${title} must be one of ${quoted(choices)}, not ${valueText(value)}`);
  }

  #truth(fields: Fields, field: string, path: string): boolean {
    const value = fields[field] ?? false;
    return typeof value === 'boolean'
      ? value
      : this.#fail(`"${path}.${field}" must be true or false, not ${valueText(value)}`);
  }

  #positive(value: unknown, title: string): number {
    const number = readNumber(value, title, this.#fail);
    return number > 0 ? number : this.#fail(`${title} must be above zero, not ${number}`);
  }
}

type NormsOfLayout = Pick<
  Layout,
  | 'norm'
  | 'bareNorm'
  | 'sums'
  | 'normsBehind'
  | 'fromOne'
  | 'attentionNorm'
  | 'mlpNorm'
  | 'behindAttention'
  | 'behindMlp'
  | 'embeddingNorm'
  | 'finalNorm'
>;
