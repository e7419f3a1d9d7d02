import type { Command } from 'commander';
import { draftModel, type ModelDraft } from '../model/reading/draft/draft.js';
import { type Inspection, inspect } from '../model/reading/inspect.js';
import { inspectionJson } from '../report/inspection.js';
import { byteCount, count } from '../words/counts.js';
import { quoted } from '../words/names.js';
import { jsonText, oneLine, quote } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { fitted, type Io, print, say, table } from './io.js';
import {
  activationOption,
  configOf,
  configOption,
  ignoreOption,
  keyOption,
  MODEL_ARGUMENT,
  modelOption,
  positionsOption,
} from './model_options.js';

const NOTES = `
A model that cannot be compared is described all the same, with the reasons; the exit code is then still 0.

Examples:
  $ tensim inspect step_6000.safetensors
  $ tensim inspect odd-names.safetensors --draft > model.json
  $ tensim inspect odd-names.safetensors --model model.json --json`;

interface InspectFlags {
  readonly model?: string;
  readonly config?: string;
  readonly activation?: string;
  readonly positions?: number;
  readonly ignore: readonly string[];
  readonly json?: boolean;
  readonly draft?: boolean;
}

/** `tensim inspect FILE`. Exit code 0 for every file that could be read; what is not supported is in `problems`. */
export function addInspect(program: Command, io: Io): void {
  program
    .command('inspect')
    .description(ABOUT.inspect.does)
    .argument('<file>', MODEL_ARGUMENT)
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(activationOption())
    .addOption(positionsOption())
    .addOption(keyOption())
    .addOption(ignoreOption())
    .option('--json', 'print JSON')
    .option('--draft', 'print the draft of a model.json that describes it, guesses marked as such')
    .addHelpText('after', NOTES)
    .action(async (file: string, { json, draft, config, activation, positions, ...options }: InspectFlags) => {
      const settings = configOf({ config, activation, positions });
      if (draft) {
        const drafted = await draftModel(file, { ...options, config: settings, signal: io.signal });
        await print(io, [`${jsonText(drafted.description, 2)}\n`]);
        return say(io, draftNotes(drafted));
      }
      const inspection = await inspect(file, { ...options, config: settings, signal: io.signal });
      await print(io, [json ? `${jsonText(inspectionJson(inspection))}\n` : fitted(io, inspectText(inspection))]);
    });
}

/** What has to be done with a draft, a line each. */
function draftNotes({ guessed, missing, left }: ModelDraft): string {
  if (!guessed) return 'note: the model is read so already, and nothing in the draft is guessed\n';
  const notes = [
    'the draft is a guess by names and shapes: look at every remark in it',
    ...missing.map((field) => `to be filled in: ${oneLine(field)}`),
    ...(left.length === 0 ? [] : [`in no layer: ${quoted(left)}`]),
  ];
  return notes.map((note) => `note: ${note}\n`).join('');
}

function inspectText(inspection: Inspection): string {
  const { file, files, sha256, family, description, layers, positions, inputs, outputs, degree, parameters } =
    inspection;
  const { revision, format, place, metadata, tensors, method, closes, problems, prefix } = inspection;
  const { setAside, tied, settings } = inspection;
  const facts = [
    ...(format === undefined ? [] : [['format', `${format}, by its content`]]),
    ...(place === undefined || place === '.' ? [] : [['state dict', `under ${quote(place)}`]]),
    ['family', family === null ? 'none known' : family + (description === null ? '' : ` (by ${description})`)],
    ...settings.map(({ name, value, from }) => ['setting', `${name} = ${oneLine(value)} (${oneLine(from)})`]),
    ...(family === null
      ? []
      : [
          [
            'maps',
            `${positions === 1 ? '' : `${positions} positions of `}${inputs} inputs to ${outputs} outputs, ${degree === null ? 'no polynomial' : `degree ${degree}`}`,
          ],
          ['compared', method === 'exact' ? 'exactly' : `by sampling${closes ? ', or by the closure' : ''}`],
        ]),
    ['parameters', count(parameters)],
    ...(prefix === null ? [] : [['prefix', `${oneLine(prefix)} (taken off)`]]),
    ...Object.entries(tied).map(([name, stored]) => ['tied', `${oneLine(name)} is ${oneLine(stored)}`]),
    ...(revision === null ? [] : [['commit', revision]]),
    ['sha256', sha256],
    ...(files.length > 1 ? [['shards', `${files.length - 1}`]] : []),
    ...Object.entries(metadata).map(([key, value]) => ['metadata', `${key} = ${quote(value)}`]),
  ];
  const sections = [
    section(
      'layers',
      layers.map((layer, index) => [`${index + 1}`, layer]),
    ),
    section(
      'tensors',
      tensors.map(({ name, dtype, shape, bytes, quantised }) => [
        ...[name, quantised === undefined ? dtype : `${dtype} of ${quantised}`],
        ...[`[${shape.join(', ')}]`, byteCount(bytes)],
      ]),
    ),
    section(
      'set aside',
      setAside.map(({ name, reason }) => [oneLine(name), reason]),
    ),
    section(
      'problems',
      problems.map(({ code, message }) => [code, message]),
    ),
  ];
  return `${oneLine(file)}\n${table(facts)}${sections.join('')}`;
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `${title}\n${table(rows)}`;
}
