/** What help lists of every command, in this order: known before the commands are read. */
export const ABOUT = {
  compare: {
    takes: '[options] <a> <b>',
    does: 'how similar two networks are across all inputs',
  },
  matrix: {
    takes: '[options] <files...>',
    does: 'the similarities of every pair of many networks, or of some of them',
  },
  merge: {
    takes: '[options] <files...>',
    does: 'puts together the parts of a matrix, or of blocks, that were computed in shards',
  },
  watch: {
    takes: '[options] <folders...>',
    does: 'the matrix of a training that is under way, as its checkpoints come, on a live page',
  },
  blocks: {
    takes: '[options] <networks...>',
    does: 'where two transformers differ, block by block',
  },
  adapters: {
    takes: '[options] <adapters...>',
    does: 'how similar the changes are that adapters make (LoRA), each with each',
  },
  moments: {
    takes: '[options] <model>',
    does: 'mean and covariance of what every block of a transformer takes on given text',
  },
  explain: {
    takes: '[options] <a> <b>',
    does: 'where two networks differ: in which outputs, along which directions of the input, or in which layer',
  },
  gate: {
    takes: '[options] <candidate>',
    does: 'whether a network may take the place of another: its exit code says',
  },
  verify: {
    takes: '[options] [reference] [candidate]',
    does: 'whether a conversion, a quantisation or a merge did what it claims: its exit code says',
  },
  worker: {
    takes: '[options]',
    does: 'compute tiles of matrices that others ask for (tensim matrix --queue)',
  },
  inspect: {
    takes: '[options] <file>',
    does: 'what a checkpoint holds, and why it cannot be compared if it cannot',
  },
  contract: {
    takes: '[options] <equation> <operands...>',
    does: 'contract tensors by an equation, or tell how it would be done and how fast it is',
  },
  convert: {
    takes: '[options] <in> <out>',
    does: 'write the tensors of a checkpoint in another format',
  },
  doctor: {
    takes: '[options]',
    does: 'which backends can be used here, and why the others cannot',
  },
  completion: {
    takes: '<shell>',
    does: 'a script that completes commands, options and their values in a shell',
  },
} as const satisfies Readonly<Record<string, { readonly takes: string; readonly does: string }>>;
