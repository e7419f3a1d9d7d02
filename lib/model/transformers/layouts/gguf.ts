import { TensimError } from '../../../errors.js';
import { quote } from '../../../words/quoting.js';
import type { BlockSettings } from '../settings.js';
import type { Layout } from './layout.js';
import { inBlocks } from './packing.js';

/** Architectures whose rows of queries and keys lie so that neighbours are turned together. */
const INTERLEAVED =
  /^(?:llama|deci|mistral3?|internlm2|minicpm|command-r|granite|granitemoe|olmo|xverse|arcee|glm4|chatglm|ernie4_5(?:-moe)?|deepseek|arctic)$/;
/** Those where rows of the two halves are. */
const HALVES =
  /^(?:falcon|grok|dbrx|stablelm|bitnet|qwen[23]?(?:moe)?|olmo2|olmoe|phi[23]|phimoe|plamo|gemma\d*n?|starcoder2|openelm|gptneox|codeshell|orion|nemotron|exaone|minicpm3|dots1|hunyuan-\w+|gpt-oss|seed_oss|apertus)$/;
/** Those where they are in some layers only, which metadata do not tell. */
const TURNED_SOMEWHERE = /^(?:llama4|cohere2|exaone4|smollm3)$/;
/** Without a rotary embedding. */
const LEARNED = /^(?:gpt2|starcoder|bert|opt)$/;
const ALIBI = /^(?:bloom|mpt|refact|jais)$/;
const GELU = /^gemma/;
const SILU =
  /^(?:llama|mistral|qwen|phi3|olmo|internlm|baichuan|granite|minicpm|smollm|deci|orion|xverse|stablelm|exaone|deepseek|command-r|cohere)/;
/** Layer norms without a bias. */
const LAYER_NORMS = /^(?:command-r|cohere2|olmo|mpt)$/;

const architectureOf = (settings: BlockSettings): string => settings.text('architecture') ?? '';

function knownToInterleave(architecture: string): boolean | undefined {
  if (INTERLEAVED.test(architecture)) return true;
  return HALVES.test(architecture) ? false : undefined;
}

/** Files of llama.cpp. The gains of Gemma are stored with 1 added. */
export const gguf: Layout = {
  name: 'gguf',
  layer: /^blk\.(\d+)\.(.+)$/,
  signs: ['attn_q', 'attn_qkv', 'ffn_up', 'ffn_gate', 'ffn_gate_inp'],
  attention: {
    query: ['attn_q'],
    key: ['attn_k'],
    value: ['attn_v'],
    packed: ['attn_qkv'],
    output: ['attn_output'],
    queryNorm: ['attn_q_norm'],
    keyNorm: ['attn_k_norm'],
  },
  mlp: { gate: ['ffn_gate'], up: ['ffn_up'], down: ['ffn_down'] },
  experts: {
    router: ['ffn_gate_inp'],
    stacked: { gate: ['ffn_gate_exps'], up: ['ffn_up_exps'], down: ['ffn_down_exps'] },
    each: { gate: ['ffn_gate.{E}'], up: ['ffn_up.{E}'], down: ['ffn_down.{E}'] },
    shared: { gate: ['ffn_gate_shexp'], up: ['ffn_up_shexp'], down: ['ffn_down_shexp'] },
    sharedGate: ['ffn_gate_inp_shexp'],
    clamped: (_, settings) => architectureOf(settings) === 'gpt-oss',
  },
  // Falcon has a second one, for attention.
  attentionNorm: ['attn_norm_2', 'attn_norm'],
  // Where there is but one norm, both blocks take what it gives.
  mlpNorm: ['ffn_norm', 'attn_norm'],
  behindAttention: ['post_attention_norm'],
  behindMlp: ['post_ffw_norm'],
  embedding: ['token_embd'],
  embeddingNorm: ['token_embd_norm'],
  positions: ['position_embd'],
  finalNorm: ['output_norm'],
  unembedding: ['output'],
  norm: (settings) => (LAYER_NORMS.test(architectureOf(settings)) ? 'layer' : 'rms'),
  bareNorm: (settings) => (architectureOf(settings) === 'olmo' ? 'layer' : undefined),
  packing: inBlocks,
  positional(settings) {
    const architecture = architectureOf(settings);
    if (LEARNED.test(architecture)) return 'none';
    if (ALIBI.test(architecture)) return 'alibi';
    const interleaved = settings.truth('interleaved') ?? knownToInterleave(architecture);
    if (interleaved !== undefined) return { interleaved, base: 10_000 };
    throw new TensimError(
      'INVALID_FILE',
      `is of ${quote(architecture)}, of which it is not known what positions turn`,
      {
        file: settings.file,
        hint: `Say whether neighbouring rows are turned together, or those of two halves: --config '{"rope_interleaved": true}', or false`,
      },
    );
  },
  otherAttention: (_, settings) =>
    TURNED_SOMEWHERE.test(architectureOf(settings))
      ? 'is turned by positions in some layers only, and is not compared'
      : undefined,
  divisors: ['rope_freqs'],
  activation(settings) {
    const architecture = architectureOf(settings);
    if (SILU.test(architecture)) return 'silu';
    return GELU.test(architecture) ? 'gelu_tanh' : undefined;
  },
};
