import { type Command, InvalidArgumentError, type Option } from 'commander';
import { TensimError } from '../errors.js';
import { oneLine, quote } from '../words/quoting.js';
import { type Io, say } from './io.js';
import { FILE_NAME, SETTINGS, type SettingName, settingsIn } from './settings_file.js';

/** Said by no command line: the environment goes before the file. */
export const DEFAULTS_NOTE = `Common options can also be set in ${FILE_NAME} or the key "tensim" of package.json (docs/guide/configuration.md),
and by variables such as TENSIM_THREADS or TENSIM_MAX_SAMPLES; the command line goes before these, and they before the file.`;

/** Options of the same name that mean something else. */
const OTHERS: Readonly<Record<string, readonly string[]>> = { verify: ['tolerance'] };

/** The environment variable of an option: TENSIM_MAX_SAMPLES. */
const variableOf = (name: SettingName): string => `TENSIM_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;

/**
 * Gives a command the options that its command line does not say, from the environment or else the file. With
 * `--verbose` it says on stderr which, and where they came from.
 * @throws TensimError `INVALID_ARGUMENT` for a value that an option does not take; as `settingsIn`
 */
export async function applyDefaults(command: Command, io: Io): Promise<void> {
  const options = command.options.filter((option) => isSettable(command, option));
  if (options.length === 0) return;
  const file = await settingsIn(io.cwd ?? process.cwd());
  for (const option of options) {
    const name = option.attributeName() as SettingName;
    const source = command.getOptionValueSource(name);
    if (source !== undefined && source !== 'default') continue;
    const variable = variableOf(name);
    const said = io.env[variable];
    const [text, origin] = said ? [said, variable] : [file?.values.get(name), file?.file ?? ''];
    // TENSIM_BACKEND is for whoever chooses the backend; here it only keeps the file from doing so.
    if (text === undefined || (name === 'backend' && said)) continue;
    const value = parsedValue(option, text, origin);
    command.setOptionValueWithSource(name, value, said ? 'env' : 'config');
    if (command.opts().verbose) say(io, `${option.long} ${oneLine(text)}, from ${oneLine(origin)}\n`);
  }
}

function isSettable(command: Command, option: Option): boolean {
  const name = option.attributeName();
  return Object.hasOwn(SETTINGS, name) && !(OTHERS[command.name()] ?? []).includes(name);
}

/** A value as the option itself would parse it. */
function parsedValue(option: Option, text: string, origin: string): unknown {
  if (option.isBoolean()) {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw unfit(option, text, origin, 'It must be true or false.');
  }
  try {
    return option.parseArg === undefined ? text : option.parseArg(text, undefined);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw unfit(option, text, origin, error.message);
    throw error;
  }
}

function unfit({ long }: Option, text: string, origin: string, message: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', `${origin} says ${quote(text)} for ${long}`, {
    hint: message.replace(/\.$/, ''),
  });
}
