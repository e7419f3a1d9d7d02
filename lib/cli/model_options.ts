import { InvalidArgumentError, Option } from 'commander';
import type { LoadOptions } from '../model/reading/load.js';

/* Options that say how a model is read. */

/** What stands for a model wherever one is asked for. */
export const MODEL_ARGUMENT =
  'a checkpoint (.safetensors, the index of a sharded one, .pt, .ckpt, .npz), a folder with one, its hf:// address, or a model.json with "weights"';

export function modelOption(): Option {
  return new Option('--model <file>', 'a model.json that says which tensors make which layers');
}

export function configOption(): Option {
  return new Option(
    '--config <file>',
    'a config.json with n_head, n_ctx, mask … where checkpoints do not say them, or its text {…}',
  );
}

export function activationOption(): Option {
  return new Option(
    '--activation <name>',
    'what stands between linear layers, or in a gate, where checkpoints do not say it: relu, gelu, silu, tanh …, or none',
  );
}

export function positionsOption(): Option {
  return new Option(
    '--positions <count>',
    'positions of an input of a transformer (default: as many as it knows, at most 32)',
  ).argParser((text) => {
    if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
    throw new InvalidArgumentError('It must be a whole number from 1.');
  });
}

/** The settings of `--config`, `--activation` and `--positions`, as the option `config` of the library takes them. */
export function configOf({
  config,
  activation,
  positions,
}: {
  readonly config?: string | undefined;
  readonly activation?: string | undefined;
  readonly positions?: number | undefined;
}): LoadOptions['config'] {
  return activation === undefined && positions === undefined
    ? config
    : { activation, context: positions, file: config };
}

export function ignoreOption(): Option {
  return new Option(
    '--ignore <pattern>',
    'tensors that the network does not need, by their names in the file; * stands for anything (repeatable)',
  )
    .argParser(collect)
    .default([], 'none, beside what is known to be no weight');
}

export function keyOption(): Option {
  return new Option(
    '--key <path>',
    'where the state dict is in a PyTorch file of several: names with points between, such as "ema.shadow_params"',
  );
}

export const collect = (file: string, files: readonly string[]): string[] => [...files, file];
