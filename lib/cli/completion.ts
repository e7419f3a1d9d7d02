import { Argument, type Command, type Option } from 'commander';
import { oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { type Io, print } from './io.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const NOTES = `
Put it where the shell reads it:
  bash   tensim completion bash > ~/.local/share/bash-completion/completions/tensim
  zsh    tensim completion zsh > "\${fpath[1]}/_tensim"
  fish   tensim completion fish > ~/.config/fish/completions/tensim.fish`;

/** `tensim completion SHELL` */
export function addCompletion(program: Command, io: Io): void {
  program
    .command('completion')
    .description(ABOUT.completion.does)
    .addArgument(new Argument('<shell>', 'for which').choices(SHELLS))
    .addHelpText('after', NOTES)
    .action((shell: Shell) => print(io, [SCRIPTS[shell](program.name(), commandsOf(program))]));
}

interface CommandWords {
  readonly name: string;
  readonly about: string;
  readonly options: readonly OptionWords[];
  /** Values that its arguments are of; none: files. */
  readonly values: readonly string[];
}

interface OptionWords {
  readonly long: string;
  readonly about: string;
  /** What it takes; none: nothing. */
  readonly value?: string;
  readonly isFile: boolean;
  readonly choices: readonly string[];
}

/** Values that are files, by what they are called in the help. */
const FILES = /^(?:file|model|models|folder|network|reference|law)\b/;
const LONGEST = 90;

function commandsOf(program: Command): CommandWords[] {
  const help: CommandWords = { name: 'help', about: 'display help for command', options: [], values: [] };
  const commands = program.commands.map(
    (command): CommandWords => ({
      name: command.name(),
      about: about(command.description()),
      options: [...command.options.map(wordsOf), HELP],
      values: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    }),
  );
  return [...commands, { ...help, values: commands.map(({ name }) => name) }];
}

const HELP: OptionWords = { long: '--help', about: 'display help for command', isFile: false, choices: [] };

function wordsOf({ long, description, flags, argChoices = [] }: Option): OptionWords {
  const [, value] = /[<[]([^>\].]+)/.exec(flags) ?? [];
  return {
    long: long as string,
    about: about(description),
    ...(value !== undefined && { value }),
    isFile: value !== undefined && FILES.test(value),
    choices: argChoices,
  };
}

const about = (text: string): string => oneLine(text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

const SCRIPTS: { readonly [Name in Shell]: (program: string, commands: readonly CommandWords[]) => string } = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** In single quotes, as the three shells have them. */
const quotedFor = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bashScript(program: string, commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name);
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap(({ long, value, isFile, choices }) => {
      if (value === undefined || isFile) return [];
      const words = choices.length === 0 ? 'compopt +o default 2>/dev/null' : reply(choices);
      return [`    ${name}:${long}) ${words}; return ;;`];
    }),
  );
  const files = commands.flatMap(({ name, options }) =>
    options.filter(({ isFile }) => isFile).map(({ long }) => `${name}:${long}`),
  );
  const options = commands.map((command) => {
    const words = command.options.map(({ long }) => long);
    return `    ${command.name}) ${reply(words)} ;;`;
  });
  const closed = commands.filter((command) => command.values.length > 0);
  const given = closed.map((command) => `    ${command.name}) ${reply(command.values)} ;;`);
  return `# Completion of ${program} for bash; files where nothing else is known.
_${program}() {
  local word command= i
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in ${names.join('|')}) command=$word; break ;; esac
  done
  case $command:$prev in
${values.join('\n')}
    ${files.join('|')}) return ;;
  esac
  if [[ -z $command ]]; then
    ${reply([...names, '--help', '--version'])}
    return
  fi
  if [[ $cur == -* ]]; then
    case $command in
${options.join('\n')}
    esac
    return
  fi
  case $command in
${given.join('\n')}
  esac
}
complete -o default -o bashdefault -F _${program} ${program}
`;
}

const reply = (words: readonly string[]): string => `COMPREPLY=($(compgen -W ${quotedFor(words.join(' '))} -- "$cur"))`;

function zshScript(program: string, commands: readonly CommandWords[]): string {
  const escaped = (text: string) => text.replace(/[\\[\]:]/g, '\\$&');
  const list = commands.map(({ name, about }) => `        ${quotedFor(`${name}:${escaped(about)}`)}`);
  const cases = commands.map(({ name, options, values }) => {
    const specs = options.map(({ long, about, value, isFile, choices }) => {
      const action = isFile ? '_files' : choices.length > 0 ? `(${choices.join(' ')})` : ' ';
      return `*${long}[${escaped(about)}]${value === undefined ? '' : `:${escaped(value)}:${action}`}`;
    });
    const rest = values.length > 0 ? `*:value:(${values.join(' ')})` : '*:file:_files';
    const words = [...specs, rest].map((spec) => `          ${quotedFor(spec)}`);
    return `        ${name})\n          _arguments \\\n${words.join(' \\\n')}\n          ;;`;
  });
  return `#compdef ${program}
# Completion of ${program} for zsh.
_${program}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C '(- *)--help[display help]' '(- *)--version[output the version number]' '1:command:->command' '*::argument:->arguments'
  case $state in
    command)
      local -a commands
      commands=(
${list.join('\n')}
      )
      _describe command commands
      ;;
    arguments)
      case $line[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function fishScript(program: string, commands: readonly CommandWords[]): string {
  const lines = commands.flatMap(({ name, about, options, values }) => {
    const within = `complete -c ${program} -n ${quotedFor(`__fish_seen_subcommand_from ${name}`)}`;
    return [
      `complete -c ${program} -f -n __fish_use_subcommand -a ${name} -d ${quotedFor(about)}`,
      ...(values.length > 0 ? [`${within} -f -a ${quotedFor(values.join(' '))}`] : []),
      ...options.map((option) => {
        const choices = option.choices.length > 0 ? ` -a ${quotedFor(option.choices.join(' '))}` : '';
        const taking = option.value === undefined ? ' -f' : option.isFile ? ' -r -F' : ` -x${choices}`;
        return `${within} -l ${option.long.slice(2)}${taking} -d ${quotedFor(option.about)}`;
      }),
    ];
  });
  return `# Completion of ${program} for fish.\n${lines.join('\n')}\n`;
}
