/** Names that give away a layer no family has, and what to say about it. The first that matches is told. */
const SIGNS: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [/softmax/i, 'a softmax, which is no polynomial'],
  [/(^|[._/])[qk][12]([._/]|$)/i, 'quadratic attention in a model of another make'],
  [
    /attn|attention|(^|[._/])(q|k|v|o|qkv)_?proj([._/]|$)|(^|[._/])(query|key)([._/]|$)/i,
    'attention, and a softmax in it is no polynomial',
  ],
  [/norm|(^|[._/])(ln|bn)(_?\w+)?([._/]|$)/i, 'a normalisation, which is no polynomial'],
  [/gate|glu/i, 'a gate, and an activation function in it is no polynomial'],
  [/(^|[._/])conv\d?d?([._/]|$)/i, 'a convolution, which is not supported'],
  [/weight_[ih]h/i, 'a recurrent layer, which is not supported'],
];

/** `"h.0.ln_1.weight" looks like a normalisation, …` for the first of the names that gives a layer away. */
export function tellingSign(names: readonly string[]): string | undefined {
  for (const [pattern, meaning] of SIGNS) {
    const name = names.find((candidate) => pattern.test(candidate));
    if (name !== undefined) return `"${name}" looks like ${meaning}`;
  }
  return undefined;
}
