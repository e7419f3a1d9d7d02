import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ORDER } from './topics.js';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
/** In the order of the README's table. */
const guide = [...readme.matchAll(/^\| \[.+?\]\((docs\/guide\/.+?\.md)\)/gm)].map(([, page]) => page);

const missing = readdirSync(join(root, 'docs', 'guide')).filter((name) => !guide.includes(`docs/guide/${name}`));
if (missing.length > 0) throw new Error(`The README's table of the guide does not list ${missing.join(', ')}`);

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'tensim',
  includeVersion: true,
  entryPoints: [join(root, 'lib', 'index.ts')],
  tsconfig: join(root, 'tsconfig.build.json'),
  basePath: root,
  out: join(root, 'docs', 'site'),
  readme: join(root, 'README.md'),
  projectDocuments: [...guide, 'docs/*.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map((page) =>
    join(root, page),
  ),
  plugin: ['./topics.js'],
  // There is no public repository that lines could link to.
  disableSources: true,
  excludeExternals: true,
  categorizeByGroup: false,
  categoryOrder: ORDER,
  kindSortOrder: ['Function', 'Namespace', 'Class', 'Interface', 'TypeAlias', 'Property', 'Method', 'Variable'],
  navigation: { includeCategories: true },
  searchInComments: true,
  searchInDocuments: true,
  intentionallyNotExported: ['Abilities', 'DEGREE_NAMES', 'Definition', 'Details', 'LayerOf', 'Pair'],
  validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true, notDocumented: true },
  treatWarningsAsErrors: true,
};
