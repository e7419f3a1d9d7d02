import type { Command } from 'commander';
import { checkWritable, convert } from '../formats/convert.js';
import { findSource } from '../model/reading/source.js';
import { checkPlace } from '../report/write.js';
import { count, plural } from '../words/counts.js';
import { oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { type Io, say } from './io.js';
import { keyOption } from './options.js';

const NOTES = `
Read are .safetensors (sharded ones by their index), .pt, .pth, .bin and .ckpt of torch.save, .npz and .npy; written .safetensors, .npz and, for one
tensor, .npy. Elements stay as they are; only bfloat16, which NumPy does not have, becomes float32 there. Of a training checkpoint
the model's state dict is converted, with the numbers beside it as metadata.

Examples:
  $ tensim convert final.pt final.safetensors
  $ tensim convert step_6000.safetensors step_6000.npz
  $ tensim convert final.pt head.npy --tensor head.weight`;

/** `tensim convert IN OUT` */
export function addConvert(program: Command, io: Io): void {
  program
    .command('convert')
    .description(ABOUT.convert.does)
    .argument('<in>', 'a checkpoint, or a folder with one')
    .argument('<out>', 'a file; its ending says the format: .safetensors .npz .npy')
    .option(
      '--tensor <name>',
      'write this one only (repeatable)',
      (name: string, names: string[]) => [...names, name],
      [],
    )
    .addOption(keyOption())
    .addHelpText('after', NOTES)
    .action(async (input: string, output: string, flags: { tensor: string[]; key?: string }) => {
      checkWritable(output);
      await checkPlace(output);
      const { checkpoint } = await findSource(input, { signal: io.signal });
      const tensors = flags.tensor.length === 0 ? undefined : flags.tensor;
      const written = await convert(checkpoint, output, { tensors, key: flags.key, signal: io.signal });
      if (written.metadataLost > 0)
        say(io, `note: the metadata of ${oneLine(input)} is left out: this format has no place for it\n`);
      say(io, `wrote ${oneLine(output)}: ${count(written.tensors)} ${plural(written.tensors, 'tensor')}\n`);
    });
}
