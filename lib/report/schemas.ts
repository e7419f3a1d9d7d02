/**
 * The contracts of what is written as JSON, named in its field `schema`. A name never changes its meaning; fields are
 * only added.
 */
export const SCHEMAS = {
  compare: 'tensim.compare/1',
  matrix: 'tensim.matrix/1',
  cross: 'tensim.cross/1',
  shard: 'tensim.shard/1',
  shards: 'tensim.shards/1',
  measures: 'tensim.measures/1',
  features: 'tensim.features/1',
  blocks: 'tensim.blocks/1',
  blocksMatrix: 'tensim.blocks-matrix/1',
  blocksPlan: 'tensim.blocks-plan/1',
  blocksShard: 'tensim.blocks-shard/1',
  blocksShards: 'tensim.blocks-shards/1',
  adapters: 'tensim.adapters/1',
  ridge: 'tensim.ridge/1',
  explain: 'tensim.explain/1',
  gate: 'tensim.gate/1',
  verify: 'tensim.verify/1',
  contract: 'tensim.contract/1',
  inspect: 'tensim.inspect/1',
  doctor: 'tensim.doctor/1',
} as const;
