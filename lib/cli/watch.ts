import { type Command, InvalidArgumentError, Option } from 'commander';
import { TensimError } from '../errors.js';
import { fileText, onsetText } from '../live/notes.js';
import { type Judged, judgePredecessors } from '../live/predecessors.js';
import { checkWebhook, EVENT_SCHEMA, type Happening, Reactions, runCommand, tellWebhook } from '../live/reactions.js';
import type { WatchEvent, WatchedMatrix, WatchedOnset } from '../live/terms.js';
import { watchInto } from '../live/watch.js';
import { hasOrder, orderSentence } from '../report/order.js';
import { checkReportFile, writeReport } from '../report/write.js';
import type { SimilarityMatrix } from '../similarity/terms/types.js';
import { count, plural } from '../words/counts.js';
import { listed, parseDecimal } from '../words/names.js';
import { similarityText } from '../words/numbers.js';
import { oneLine } from '../words/quoting.js';
import { ABOUT } from './about.js';
import { EXIT, settle } from './exit.js';
import { type Io, print, say } from './io.js';
import { parseCount } from './matrix_options.js';
import { addMethodOptions, collect, configOf, type MethodFlags, parseSize, similarityOptions } from './options.js';
import { createProgress, type ProgressLine } from './progress.js';
import { addServingOptions, type ServingFlags, serve } from './serving.js';

const EXAMPLES = `
A file is taken when it has been as it is for a second and says itself that nothing is missing. The page is on this machine only, and
the token in its address lets in whoever has it. Closing it changes nothing; Ctrl-C ends the watch.

--on-onset runs a command through the shell, once for each onset: what has happened is JSON on its standard input, and in TENSIM_EVENT_FROM,
TENSIM_EVENT_TO, TENSIM_EVENT_SIMILARITY and TENSIM_EVENT_RISE. --gate-min holds every checkpoint that comes against the one before it.

Exit codes: 0 done, 1 a checkpoint is below --gate-min, 2 bad usage or input, 4 undecided (sampled, and the limit within the interval),
130 ended by Ctrl-C.

Examples:
  $ tensim watch run/ --open
  $ tensim watch run/ --state run.state --out report.html
  $ tensim watch "run/step_*.safetensors" --on-onset "notify-send 'tensim: onset'"
  $ tensim watch run/ --gate-min 0.9 || kill $TRAINING
  $ tensim watch run/ --once --no-page`;

/** The options of `watch` as commander parses them. */
interface WatchFlags extends MethodFlags, ServingFlags {
  readonly perOutput?: boolean;
  readonly degrees?: boolean;
  readonly window?: number;
  readonly consecutive?: boolean;
  readonly memoryLimit?: number;
  readonly state?: string;
  readonly settle?: number;
  readonly poll?: number;
  readonly once?: boolean;
  readonly until?: number;
  readonly idle?: number;
  readonly onOnset?: string;
  readonly webhook?: string;
  readonly gateMin?: number;
  readonly page: boolean;
  readonly out: readonly string[];
}

/** `tensim watch FOLDER` */
export function addWatch(program: Command, io: Io, exit: { code: number }): void {
  const seconds = (flags: string, description: string) => new Option(flags, description).argParser(parseSeconds);
  const command = program
    .command('watch')
    .description(ABOUT.watch.does)
    .argument('<folders...>', 'folders and quoted patterns')
    .addHelpText('after', EXAMPLES);
  addServingOptions(addMethodOptions(command))
    .option('--no-page', 'serve no page')
    .option('--per-output', 'also compare every output by itself')
    .option('--degrees', 'also compare by degree: the mean, the linear and the quadratic part, the rest (exact only)')
    .option('--window <count>', 'compare each with so many before and after it only', parseCount)
    .option('--consecutive', 'compare each with the next only')
    .option('--memory-limit <size>', 'for prepared models: 512MiB, 2GB (default: an eighth of what is free)', parseSize)
    .option('--state <file>', 'keep what is finished in this file, and compute only what is not in it')
    .addOption(seconds('--settle <seconds>', 'that a file must be as it is before it is taken (default: 1)'))
    .addOption(seconds('--poll <seconds>', 'between two looks, at most: network disks tell nothing (default: 1)'))
    .option('--once', 'end when all that is there is compared')
    .option('--until <count>', 'end when so many models are compared', parseCount)
    .addOption(seconds('--idle <seconds>', 'end when nothing has changed for so long'))
    .option('--on-onset <command>', 'run a command when the onset shows, or another one')
    .option('--webhook <url>', 'POST the same as JSON to this address, and what is below --gate-min')
    .addOption(
      new Option(
        '--gate-min <similarity>',
        'end with exit code 1 when a new checkpoint is less similar to the one before it',
      ).argParser(parseLimit),
    )
    .addOption(
      new Option('--out <file>', 'write a report when it ends: .json .csv .npy .svg .html (repeatable)')
        .argParser(collect)
        .default([], 'none'),
    )
    .action((folders: string[], flags: WatchFlags) => run(folders, flags, io, exit));
}

async function run(folders: string[], flags: WatchFlags, io: Io, exit: { code: number }): Promise<void> {
  for (const file of flags.out) await checkReportFile(file);
  if (flags.webhook !== undefined) checkWebhook(flags.webhook);
  const progress = await createProgress(io);
  const served = flags.page ? await serve(listed(folders, 'and'), flags, io) : undefined;
  const watching = new Watching(flags, progress, io);
  try {
    const options = await similarityOptions(flags, io, progress);
    const { model, key, ignore, window, consecutive, memoryLimit, state } = flags;
    const { settle, poll, once, until, idle } = flags;
    const events = watchInto(served?.feed, folders, {
      ...{ ...options, window, consecutive, memoryLimit, state },
      ...{ load: { model, config: configOf(flags), key, ignore }, settle, poll, once, until, idle },
    });
    for await (const event of events) {
      await watching.take(event);
      if (watching.outcome === 'fail') break;
    }
    exit.code = await watching.finish();
    const text = watching.lastWords('ended');
    say(io, `${text}\n`);
    served?.feed.end({ outcome: 'finished', text });
  } catch (error) {
    progress.stop();
    await watching.finish();
    const text = watching.lastWords(io.signal.aborted ? 'stopped' : 'failed');
    served?.feed.end({ outcome: io.signal.aborted ? 'stopped' : 'failed', text });
    if (io.signal.aborted) say(io, `${text}\n`);
    throw error;
  } finally {
    await served?.close();
  }
}

/** Models that come at once and have a line each. */
const MOST_LINES = 4;

/** What is told of a watch, and what follows from it. */
class Watching {
  outcome: 'pass' | 'undecided' | 'fail' = 'pass';
  readonly #flags: WatchFlags;
  readonly #progress: ProgressLine;
  readonly #io: Io;
  readonly #reactions = new Reactions();
  #matrix: SimilarityMatrix | undefined;
  #onset: WatchedOnset | undefined;
  #order = '';
  #failed = false;

  constructor(flags: WatchFlags, progress: ProgressLine, io: Io) {
    this.#flags = flags;
    this.#progress = progress;
    this.#io = io;
  }

  async take(event: WatchEvent): Promise<void> {
    this.#progress.stop();
    switch (event.kind) {
      case 'file':
        return say(this.#io, `${fileText(event.file, event.state, event.why)}\n`);
      case 'failed':
        this.#failed = true;
        settle(event.error, this.#io);
        return;
      case 'onset':
        this.#onset = event;
        return;
      case 'matrix':
        this.#failed = false;
        this.#matrix = event.matrix;
        await this.#tell(event);
        await this.#tellOnset();
        return this.#judge(event);
    }
  }

  /** Ends what is under way, and writes the reports: the exit code. */
  async finish(): Promise<number> {
    this.#progress.stop();
    await this.#reactions.settle();
    for (const file of this.#matrix === undefined ? [] : this.#flags.out) {
      await writeReport(this.#matrix!, file, { command: this.#io.command });
      say(this.#io, `wrote ${oneLine(file)}\n`);
    }
    if (this.outcome === 'fail') return EXIT.checkFailed;
    if (this.#failed) return EXIT.badInput;
    return this.outcome === 'undecided' ? EXIT.undecided : EXIT.done;
  }

  lastWords(how: 'ended' | 'stopped' | 'failed'): string {
    const { state } = this.#flags;
    if (this.#matrix === undefined) return `${how}: no model was compared`;
    const { labels, work } = this.#matrix;
    const all = `${how}: ${count(labels.length)} ${plural(labels.length, 'model')}, ${count(work.pairs)} ${plural(work.pairs, 'pair')}`;
    if (how === 'ended') return all;
    const are = plural(work.pairs, 'is', 'are');
    if (state !== undefined) return `${all}, which ${are} in ${oneLine(state)}; the same command goes on from there`;
    return `${all}, which ${are} gone; with --state FILE they are kept, and the same command goes on from there`;
  }

  async #tell({ matrix, added, removed, beforehand }: WatchedMatrix): Promise<void> {
    const { labels, cosine } = matrix;
    const order = hasOrder(matrix) ? '' : orderSentence(matrix).join(' ');
    if (order !== this.#order && order !== '') say(this.#io, `note: ${order}\n`);
    this.#order = order;
    for (const path of removed) await this.#line(`${oneLine(path)} is gone: ${count(labels.length)} left`);
    if (beforehand || added.length > MOST_LINES) {
      const more = beforehand ? '' : ' more';
      const models = `${count(added.length)}${more} ${plural(added.length, 'model')}`;
      await this.#line(
        `${models}, ${count(labels.length)} in all: ${oneLine(labels[0])} to ${oneLine(labels.at(-1)!)}`,
      );
      return;
    }
    for (const place of added) {
      const before =
        place === 0 ? '' : `, similarity ${similarityText(cosine[place - 1][place])} to ${oneLine(labels[place - 1])}`;
      await this.#line(`${oneLine(labels[place])}${before}`);
    }
  }

  /** Of this matrix, where it is another than before. */
  async #tellOnset(): Promise<void> {
    if (this.#onset === undefined) return;
    await this.#line(onsetText(this.#onset));
    const { from, to, similarity, rise } = this.#onset.onset;
    this.#onset = undefined;
    this.#react({ ...this.#pair('onset', from, to, similarity), rise });
  }

  async #judge({ matrix, added, beforehand }: WatchedMatrix): Promise<void> {
    const { gateMin, once } = this.#flags;
    if (gateMin === undefined || (beforehand && !once)) return;
    if (!hasOrder(matrix)) {
      throw new TensimError('INVALID_ARGUMENT', 'nothing says which checkpoint comes before which', {
        hint: '--gate-min needs a step in the metadata of all files, or a number in their names',
      });
    }
    for (const judged of judgePredecessors(matrix, added, gateMin)) {
      if (judged.outcome === 'pass') continue;
      if (this.outcome !== 'fail') this.outcome = judged.outcome;
      await this.#line(gateText(judged));
      const place = matrix.labels.indexOf(judged.to);
      const about = this.#pair('gate', place - 1, place, judged.similarity);
      this.#react({ ...about, limit: gateMin, outcome: judged.outcome });
    }
  }

  #pair(event: Happening['event'], from: number, to: number, similarity: number | null): Happening {
    const { labels, sources = [] } = this.#matrix!;
    return {
      ...{ schema: EVENT_SCHEMA, event, from: labels[from], to: labels[to], similarity },
      ...(sources[from]?.file !== undefined && { fromFile: sources[from].file }),
      ...(sources[to]?.file !== undefined && { toFile: sources[to].file }),
    };
  }

  #react(happening: Happening): void {
    const { onOnset, webhook } = this.#flags;
    const { signal } = this.#reactions;
    if (onOnset !== undefined && happening.event === 'onset') {
      this.#reactions.add(async () => {
        const { said, failure } = await runCommand(onOnset, happening, this.#io.env, signal);
        if (said !== '') say(this.#io, said.endsWith('\n') ? said : `${said}\n`);
        if (failure !== undefined) say(this.#io, `the command of --on-onset failed: ${oneLine(failure)}\n`);
      });
    }
    if (webhook !== undefined) {
      this.#reactions.add(async () => {
        const failure = await tellWebhook(webhook, happening, signal);
        if (failure !== undefined) say(this.#io, `the webhook failed: ${oneLine(failure)}\n`);
      });
    }
  }

  /** A line of what happens, with the time. */
  async #line(text: string): Promise<void> {
    const time = new Date().toLocaleTimeString('en-GB');
    // After Ctrl-C nothing more is printed, and the watch says what became of it.
    if (!this.#io.signal.aborted) await print(this.#io, [`${time}  ${text}\n`]);
  }
}

function gateText({ from, to, similarity, limit, interval, outcome }: Judged): string {
  const value = similarity === null ? 'undefined' : similarityText(similarity);
  const within = interval === null ? '' : ` (${interval.map((end) => similarityText(end)).join(' to ')})`;
  const verdict = outcome === 'fail' ? 'below' : 'too near to tell:';
  return `gate: ${oneLine(to)} has similarity ${value}${within} to ${oneLine(from)}, ${verdict} ${limit}`;
}

function parseSeconds(text: string): number {
  const seconds = parseDecimal(text);
  if (seconds !== undefined && seconds >= 0 && seconds < 1e6) return seconds;
  throw new InvalidArgumentError('It must be a number of seconds.');
}

function parseLimit(text: string): number {
  const limit = parseDecimal(text);
  if (limit !== undefined && limit >= -1 && limit <= 1) return limit;
  throw new InvalidArgumentError('It must be a number from -1 to 1.');
}
