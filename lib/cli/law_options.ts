import { type Command, InvalidArgumentError } from 'commander';
import { TensimError } from '../errors.js';
import { isRidge } from '../similarity/law/law.js';
import type { InputLaw } from '../similarity/terms/types.js';
import { parseDecimal } from '../words/names.js';
import { readInput } from './input_file.js';
import type { Io } from './io.js';

/** The options that say which law inputs have, as commander parses them. */
export interface LawFlags {
  /** Absent: the standard one. */
  readonly input?: string;
  readonly inputData?: string;
  readonly ridge?: readonly number[];
}

const DATA = 'a file of samples, (n, d), whose mean and covariance are the law of the input';

export function addLawOptions(command: Command): Command {
  return addRidgeOptions(
    command.option(
      '--input <law>',
      'law of the input: "standard", "onehot", "tokens" (by sampling), "sigma=S", or a .json, .npz or .safetensors file with "mean" and/or "cov" (default: "standard")',
    ),
    DATA,
  );
}

/** Those that need moments. */
export function addRidgeOptions(command: Command, data: string): Command {
  return command
    .option('--input-data <file>', data)
    .option(
      '--ridge <parts>',
      'how much of the covariance the identity takes over, from 0 to 1; several, such as 0,0.01,0.1,1, show how the answer depends on the law',
      parseRidges,
    );
}

/**
 * The law of the input, with its ridge.
 * @throws TensimError `INVALID_ARGUMENT` where two laws are given, or a ridge without a covariance; as `readInput` and
 * `momentsOf`
 */
export async function lawOf({ input, inputData, ridge }: LawFlags, { signal }: Io): Promise<InputLaw> {
  checkFlags({ input, inputData });
  const law =
    inputData === undefined
      ? await readInput(input ?? 'standard', signal)
      : await (await import('../similarity/law/moments_of.js')).momentsOf(inputData, { signal });
  if (ridge === undefined) return law;
  if (ridge.length > 1)
    throw new TensimError('INVALID_ARGUMENT', 'one result stands under one law', {
      hint: 'Several ridges are for compare, matrix and blocks; give one',
    });
  return { ...momentsIn(law), ridge: ridge[0] };
}

/** @throws TensimError `INVALID_ARGUMENT` for a law without a covariance of its own */
export function momentsIn(law: InputLaw | undefined): Exclude<InputLaw, string | { readonly sigma: number }> {
  if (typeof law === 'object' && !('sigma' in law) && law.cov !== undefined) return law;
  throw new TensimError('INVALID_ARGUMENT', 'a ridge needs a covariance, and the input law has none of its own', {
    hint: 'Give moments: --input with a file that has "cov", or --input-data with samples',
  });
}

/** The ridges of a sweep; undefined for one result. */
export function sweptRidges({ ridge }: Pick<LawFlags, 'ridge'>): readonly number[] | undefined {
  return ridge === undefined || ridge.length < 2 ? undefined : ridge;
}

/** The flags of what all steps of a sweep share. */
export function withoutSweep<Flags extends LawFlags>(flags: Flags): Flags {
  if (sweptRidges(flags) === undefined) return flags;
  const { ridge, ...others } = flags;
  return others as Flags;
}

/** @throws TensimError `INVALID_ARGUMENT` */
export function checkFlags({
  input,
  inputData,
}: {
  readonly input?: string | undefined;
  readonly inputData?: string | undefined;
}): void {
  if (input === undefined || inputData === undefined) return;
  throw new TensimError('INVALID_ARGUMENT', '--input and --input-data both say which law inputs have', {
    hint: 'Leave one of them out',
  });
}

function parseRidges(text: string): number[] {
  const ridges = text.split(',').map((part) => parseDecimal(part));
  if (ridges.every(isRidge) && new Set(ridges).size === ridges.length) return ridges;
  throw new InvalidArgumentError('It must be numbers from 0 to 1, each once, such as 0,0.01,0.1,1.');
}
