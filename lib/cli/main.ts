import { Command } from 'commander';
import { version } from '../version.js';
import { composed, oneLine } from '../words/quoting.js';
import { shellWord } from '../words/shell.js';
import { hearWarnings } from '../words/warning.js';
import { wrapped } from '../words/wrap.js';
import { ABOUT } from './about.js';
import { applyDefaults, DEFAULTS_NOTE } from './defaults.js';
import { EXIT, settle } from './exit.js';
import { groupOptions } from './help_groups.js';
import { type Io, say, widthOf } from './io.js';

export { EXIT } from './exit.js';

const NOTES = `
Examples:
  $ tensim compare step_6000.safetensors step_6200.safetensors
  $ tensim matrix checkpoints/ --per-output --out report.html
  $ tensim merge part-*.state --out report.html
  $ tensim watch run/ --open
  $ tensim blocks base/ tuned/
  $ tensim adapters run_1/ run_2/ run_3/
  $ tensim moments base/ --tokens tokens.npy --out moments.safetensors
  $ tensim explain step_6000.safetensors step_8000.safetensors --image 8x8
  $ tensim gate candidate.safetensors --against released.safetensors
  $ tensim verify base/ converted.gguf
  $ tensim worker --queue redis://10.0.0.5:6379/0
  $ tensim inspect step_6000.safetensors
  $ tensim contract "ij,jk->ik" 512x256 256x512 --explain --time
  $ tensim convert final.pt final.safetensors
  $ tensim doctor
  $ tensim completion bash > ~/.local/share/bash-completion/completions/tensim

Exit codes: 0 done, 1 a check failed, 2 bad usage or input, 3 unsupported model, 4 undecided, 130 interrupted.
Environment: TENSIM_BACKEND forces a backend, TENSIM_DEBUG=1 shows the stack of errors.
${DEFAULTS_NOTE}`;

type Add = (program: Command, io: Io, exit: { code: number }) => void;

/**
 * They are read when they are asked for, in three parts: all together take longer to compile than most of them run, and a
 * part for each would be many files, which take longer still.
 */
const COMMANDS: Readonly<Record<keyof typeof ABOUT, () => Promise<Add>>> = {
  compare: async () => (await import('./compare.js')).addCompare,
  matrix: async () => (await import('./commands_on_models.js')).addMatrix,
  merge: async () => (await import('./commands_beyond.js')).addMerge,
  watch: async () => (await import('./commands_beyond.js')).addWatch,
  blocks: async () => (await import('./commands_beyond.js')).addBlocks,
  adapters: async () => (await import('./commands_beyond.js')).addAdapters,
  moments: async () => (await import('./commands_beyond.js')).addMoments,
  explain: async () => (await import('./commands_beyond.js')).addExplain,
  gate: async () => (await import('./commands_on_models.js')).addGate,
  verify: async () => (await import('./commands_beyond.js')).addVerify,
  worker: async () => (await import('./commands_beyond.js')).addWorker,
  inspect: async () => (await import('./commands_on_models.js')).addInspect,
  contract: async () => (await import('./commands_beyond.js')).addContract,
  convert: async () => (await import('./commands_on_models.js')).addConvert,
  doctor: async () => (await import('./commands_on_models.js')).addDoctor,
  completion: async () => (await import('./commands_beyond.js')).addCompletion,
};

const isCommand = (name: string | undefined): name is keyof typeof ABOUT =>
  name !== undefined && Object.hasOwn(COMMANDS, name);

/**
 * The command that is named, or whose help is asked for; all for a completion. For help on all of them, for a proposal and
 * for what else is no command, what is known without reading them.
 */
async function commandsFor([first, second]: readonly string[]): Promise<Add[]> {
  if (first === 'completion' || first === '--') return Promise.all(Object.values(COMMANDS).map((load) => load()));
  const named = first === 'help' ? second : first;
  if (isCommand(named)) return [await COMMANDS[named]()];
  return [addNames];
}

function addNames(program: Command): void {
  for (const [name, { does }] of Object.entries(ABOUT)) program.command(name).description(does);
  const takes = (name: string) => (isCommand(name) ? ABOUT[name].takes : '[command]');
  program.configureHelp({ subcommandTerm: (command) => `${command.name()} ${takes(command.name())}` });
}

/**
 * Runs the command line and resolves to the exit code; it never rejects and never ends the process.
 * @param args without the names of node and script
 */
export async function run(args: readonly string[], world: Io): Promise<number> {
  const io: Io = { ...world, command: ['tensim', ...args].map(shellWord).join(' '), words: args };
  const exit: { code: number } = { code: EXIT.done };
  const program = new Command('tensim')
    .description('How functionally similar two neural networks are across all inputs, from their weights alone.')
    .version(version)
    .showHelpAfterError('(tensim --help lists the commands and options)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(composed(wrapped(text, widthOf(io.stdout)))),
      writeErr: (text) => say(io, text),
      getOutHelpWidth: () => widthOf(io.stdout) as number,
      getErrHelpWidth: () => widthOf(io.stderr) as number,
      outputError: (text, write) => write(usageText(text)),
    })
    .addHelpText('after', NOTES)
    .hook('preAction', (_, command) => applyDefaults(command, io));
  for (const add of await commandsFor(args)) add(program, io, exit);
  groupOptions(program);
  const told = new Set<string>();
  const deaf = hearWarnings((text) => {
    if (!told.has(text)) say(io, `note: ${oneLine(text)}\n`);
    told.add(text);
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exit.code;
  } catch (error) {
    return settle(error, io);
  } finally {
    deaf();
  }
}

/** What commander says of wrong usage: arguments are quoted in it as they were given, and only a proposal is a line. */
function usageText(text: string): string {
  const [proposal] = /\n\(Did you mean [^\n]*\?\)\n$/.exec(text) ?? ['\n'];
  return oneLine(text.slice(0, -proposal.length)).replace(/^error: /, 'tensim: ') + proposal;
}
