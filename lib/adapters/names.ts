/* What the tensors of an adapter are, by their names. */

/** The factors of a module, by the names of their tensors. */
export interface FactorNames {
  a?: string;
  b?: string;
  /** Of AdaLoRA: the diagonal between them. */
  e?: string;
  /** Of an embedding, whose weight is (tokens, width): the change is (B A)ᵀ. */
  embedding?: true;
}

/** The tensors of an adapter, sorted. */
export interface SortedNames {
  /** By the name of the module in the network. */
  readonly modules: ReadonlyMap<string, FactorNames>;
  /** Whole tensors that the adapter brings along, by their names in the network. */
  readonly whole: ReadonlyMap<string, string>;
  /** Those that belong to a change that is no product of two factors. */
  readonly foreign: readonly string[];
  /** Names that stand twice, as those of several adapters in one file do. */
  readonly doubled: readonly string[];
}

/** `…q_proj.lora_A.weight`, `…lora_A.default.weight`, `…lora_A` and, of MLX, `…lora_a`. */
const FACTOR = /^(.+)\.lora_(embedding_)?([ABEab])((?:\.[^.]+)*)$/;
/** Parameters beside the factors: the norms of DoRA, the vectors of IA3, what other kinds add. */
const FOREIGN =
  /\.(?:lora_magnitude_vector|lora_\w+|ia3_l|hada_\w+|lokr_\w+|oft_\w+|vera_\w+)(?:\.|$)|(?:^|\.)(?:unilora|vera)_/;

/** The name in the network, without what PEFT has wrapped it in. */
export function ownName(name: string): string {
  return name
    .replace(/^base_model\.model\./, '')
    .replace(/\.(?:base_layer|original_module|modules_to_save\.[^.]+)(?=\.)/, '');
}

export function sortNames(names: Iterable<string>): SortedNames {
  const modules = new Map<string, FactorNames>();
  const whole = new Map<string, string>();
  const [foreign, doubled]: [string[], string[]] = [[], []];
  for (const name of names) {
    const found = FACTOR.exec(name);
    if (found === null || /\.bias$/.test(found[4])) {
      if (FOREIGN.test(name)) foreign.push(name);
      else if (whole.has(ownName(name))) doubled.push(name);
      else whole.set(ownName(name), name);
      continue;
    }
    const [, path, embedding, letter] = found;
    const module = ownName(path);
    const factors = modules.get(module) ?? {};
    const role = letter.toLowerCase() as 'a' | 'b' | 'e';
    if (factors[role] !== undefined) doubled.push(name);
    factors[role] = name;
    if (embedding !== undefined) factors.embedding = true;
    modules.set(module, factors);
  }
  return { modules, whole, foreign, doubled };
}
