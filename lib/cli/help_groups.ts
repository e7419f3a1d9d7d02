import type { Command } from 'commander';

/** Beyond this many options they are grouped in the help. */
const MOST_IN_ONE = 8;

/** The options of commands by what they are about; those of one command alone have its name before them. */
const GROUPS: readonly (readonly [heading: string, options: string])[] = [
  [
    'What is compared:',
    '--input --input-data --ridge --measure --inputs --per-output --degrees --features --align blocks--window --output --top --by --image',
  ],
  [
    'Which models, and which pairs:',
    '--rows --against --reference matrix--window watch--window --consecutive --every --steps --block-at --series --set --matrix --base --adapter --merged',
  ],
  ['When it ends:', '--once --until --idle --settle --poll'],
  ['What passes:', '--min --min-output --baseline --max-drop --gate-min verify--tolerance --shadow'],
  [
    'How it is computed:',
    '--method --route --dtype --tf32 --backend --threads --seed --tolerance --max-samples --memory-limit --state',
  ],
  ['On many machines:', '--shard matrix--plan --alike --queue --mixed --results --tile-seconds --grace --max-idle'],
  ['How models are read:', '--model --config --activation --positions --key --ignore'],
  ['What is told:', '--format --json --out --verbose --plan --serve --port --open --no-page --on-onset --webhook'],
];

/** Puts the options of commands that have many under headings, in the order in which they are wanted. */
export function groupOptions(program: Command): void {
  for (const command of program.commands) {
    if (command.options.length <= MOST_IN_ONE) continue;
    const places = new Map<string, number>();
    for (const [place, [, names]] of GROUPS.entries()) for (const name of names.split(' ')) places.set(name, place);
    const placeOf = (long = '') => places.get(command.name() + long) ?? places.get(long);
    for (const option of command.options) {
      const place = placeOf(option.long);
      if (place !== undefined) option.helpGroup(GROUPS[place][0]);
    }
    (command.options as (typeof command.options)[number][]).sort(
      (a, b) => (placeOf(a.long) ?? GROUPS.length) - (placeOf(b.long) ?? GROUPS.length),
    );
  }
}
