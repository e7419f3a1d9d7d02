import { type Layout, type Naming, PLAIN } from './layout.js';
import { learnedUnless } from './positions.js';

/** Norms of checkpoints that came from TensorFlow have other names. */
const NAMING: Naming = {
  ...PLAIN,
  gain: (module) => [`${module}.weight`, `${module}.gamma`],
  shift: (module) => [`${module}.bias`, `${module}.beta`],
};

/** BERT, RoBERTa, ELECTRA: norms are of the sums behind blocks, so that a block takes what the norm before it gives. */
export const bert: Layout = {
  name: 'bert',
  layer: /^(?:[A-Za-z]\w*\.)?encoder\.layer\.(\d+)\.(.+)$/,
  signs: ['attention.self.query'],
  naming: NAMING,
  attention: {
    query: ['attention.self.query'],
    key: ['attention.self.key'],
    value: ['attention.self.value'],
    output: ['attention.output.dense'],
  },
  mlp: { up: ['intermediate.dense'], down: ['output.dense'] },
  attentionNorm: [],
  mlpNorm: [],
  behindAttention: ['attention.output.LayerNorm'],
  behindMlp: ['output.LayerNorm'],
  sums: () => true,
  embedding: inModels('embeddings.word_embeddings'),
  embeddingNorm: inModels('embeddings.LayerNorm'),
  positions: inModels('embeddings.position_embeddings'),
  finalNorm: [],
  unembedding: [],
  norm: 'layer',
  positional: learnedUnless(
    inModels('embeddings.position_embeddings.weight'),
    inModels('embeddings.word_embeddings.weight'),
  ),
  partOfAttention: (layer) =>
    layer.find(['attention.self.distance_embedding.weight']) === undefined
      ? undefined
      : 'gets scores by distance as well, which are not compared',
};

function inModels(module: string): readonly string[] {
  return ['', 'bert.', 'roberta.', 'electra.', 'camembert.', 'xlm_roberta.'].map((model) => model + module);
}

/** DistilBERT. */
export const distilbert: Layout = {
  ...bert,
  name: 'distilbert',
  layer: /^(?:distilbert\.)?transformer\.layer\.(\d+)\.(.+)$/,
  signs: ['attention.q_lin'],
  attention: {
    query: ['attention.q_lin'],
    key: ['attention.k_lin'],
    value: ['attention.v_lin'],
    output: ['attention.out_lin'],
  },
  mlp: { up: ['ffn.lin1'], down: ['ffn.lin2'] },
  behindAttention: ['sa_layer_norm'],
  behindMlp: ['output_layer_norm'],
  embedding: ['distilbert.embeddings.word_embeddings', 'embeddings.word_embeddings'],
  embeddingNorm: ['distilbert.embeddings.LayerNorm', 'embeddings.LayerNorm'],
  positions: ['distilbert.embeddings.position_embeddings', 'embeddings.position_embeddings'],
  positional: 'none',
};

/** Vision transformers as transformers has them. */
export const vit: Layout = {
  ...bert,
  name: 'vit',
  signs: ['attention.attention.query'],
  naming: PLAIN,
  attention: {
    query: ['attention.attention.query'],
    key: ['attention.attention.key'],
    value: ['attention.attention.value'],
    output: ['attention.output.dense'],
  },
  attentionNorm: ['layernorm_before'],
  mlpNorm: ['layernorm_after'],
  behindAttention: [],
  behindMlp: [],
  sums: () => false,
  embedding: inVision('embeddings.patch_embeddings.projection'),
  embeddingNorm: [],
  positions: inVision('embeddings.position_embeddings'),
  positional: learnedUnless(
    inVision('embeddings.position_embeddings'),
    inVision('embeddings.patch_embeddings.projection.weight'),
  ),
  finalNorm: inVision('layernorm'),
  unembedding: ['classifier'],
};

function inVision(module: string): readonly string[] {
  return ['', 'vit.', 'deit.'].map((model) => model + module);
}

/** Vision transformers as timm has them. */
export const timm: Layout = {
  name: 'timm',
  layer: /^blocks\.(\d+)\.(.+)$/,
  signs: ['attn.qkv'],
  attention: {
    packed: ['attn.qkv'],
    output: ['attn.proj'],
    queryNorm: ['attn.q_norm'],
    keyNorm: ['attn.k_norm'],
  },
  mlp: { up: ['mlp.fc1'], down: ['mlp.fc2'] },
  attentionNorm: ['norm1'],
  mlpNorm: ['norm2'],
  embedding: ['patch_embed.proj'],
  positions: ['pos_embed'],
  finalNorm: ['norm', 'fc_norm'],
  unembedding: ['head'],
  norm: 'layer',
  positional: learnedUnless(['pos_embed'], ['patch_embed.proj.weight']),
  otherAttention: (layer) =>
    ['attn.q_bias', 'attn.relative_position_bias_table', 'attn.rel_pos_h'].some(
      (name) => layer.find([name]) !== undefined,
    )
      ? 'has biases of its own in its scores, which are not compared'
      : undefined,
  activation: 'gelu',
};

/** What torch's own TransformerEncoder has. Whether norms stand before blocks or are of sums no tensor tells. */
export const torch: Layout = {
  name: 'torch',
  layer: /^(?:[A-Za-z]\w*\.)*?layers\.(\d+)\.(.+)$/,
  signs: ['self_attn.in_proj'],
  naming: {
    ...PLAIN,
    weight: (module) => [module.endsWith('in_proj') ? `${module}_weight` : `${module}.weight`],
    bias: (module) => [module.endsWith('in_proj') ? `${module}_bias` : `${module}.bias`],
  },
  attention: { packed: ['self_attn.in_proj'], output: ['self_attn.out_proj'] },
  mlp: { up: ['linear1'], down: ['linear2'] },
  attentionNorm: ['norm1'],
  mlpNorm: ['norm2'],
  behindAttention: ['norm1'],
  behindMlp: ['norm2'],
  sums: (settings) => !settings.isNormFirst(),
  embedding: ['patch_embed', 'embedding', 'embed', 'token_embedding', 'tok_emb'],
  positions: ['pos_embed', 'pos_embedding', 'position_embedding', 'pos_emb'],
  finalNorm: ['norm', 'transformer.norm', 'encoder.norm'],
  unembedding: ['head', 'fc', 'classifier', 'lm_head'],
  norm: 'layer',
  positional: 'none',
  otherMlp: (layer) =>
    layer.find(['multihead_attn.in_proj_weight']) === undefined
      ? undefined
      : 'stands behind attention to another stream, and is not compared',
};

/** OPT. Its smallest but one has norms of sums. */
export const opt: Layout = {
  name: 'opt',
  layer: /^(?:model\.)?decoder\.layers\.(\d+)\.(.+)$/,
  signs: ['self_attn.q_proj', 'fc1'],
  attention: {
    query: ['self_attn.q_proj'],
    key: ['self_attn.k_proj'],
    value: ['self_attn.v_proj'],
    output: ['self_attn.out_proj'],
  },
  mlp: { up: ['fc1'], down: ['fc2'] },
  attentionNorm: ['self_attn_layer_norm'],
  mlpNorm: ['final_layer_norm'],
  behindAttention: ['self_attn_layer_norm'],
  behindMlp: ['final_layer_norm'],
  sums: (settings) => !settings.isNormFirst(),
  embedding: ['model.decoder.embed_tokens', 'decoder.embed_tokens'],
  positions: ['model.decoder.embed_positions', 'decoder.embed_positions'],
  finalNorm: ['model.decoder.final_layer_norm', 'decoder.final_layer_norm'],
  unembedding: ['lm_head'],
  norm: 'layer',
  positional: 'none',
};
