import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import picomatch from 'picomatch';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/machines/locate.js';
import { version } from '../../lib/version.js';
// @ts-expect-error: a script without declarations
import { placeOf, RELEASED } from '../../scripts/cross.mjs';
// @ts-expect-error: a script without declarations
import { manifestOf } from '../../scripts/release.mjs';

interface InstructionSet {
  readonly arch: string;
  readonly define: string;
  readonly sources: readonly string[];
  /** Only for compilers that know it, which CMake asks. */
  readonly optional?: boolean;
}

const root = join(import.meta.dirname, '..', '..');
const text = (file: string): string => readFileSync(join(root, file), 'utf8');
const manifest = JSON.parse(text('package.json'));
const native: { sources: string[]; addon: string[]; isa: Record<string, InstructionSet> } = JSON.parse(
  text('native/sources.json'),
);
const instructionSets = Object.entries(native.isa);

describe('the package', () => {
  it('is found from its own code', () => {
    expect(packageRoot()).toBe(normalize(root));
  });

  it('has one version in package.json, in the code and at the top of the change log', () => {
    expect(version).toBe(manifest.version);
    expect(/^## \[(\d[^\]]*)\]/m.exec(text('CHANGELOG.md'))?.[1]).toBe(manifest.version);
  });

  it('has a package for each platform, of its own version, which npm installs there alone', () => {
    const packages = RELEASED.map((target: string) => manifestOf(target, manifest));
    const machines = packages.map(({ os, cpu, libc }: Record<string, string[]>) => [os, cpu, libc].join(' ').trim());
    expect([...machines].sort()).toEqual([
      ...['darwin arm64', 'darwin x64', 'linux arm64 glibc', 'linux arm64 musl', 'linux x64 glibc', 'linux x64 musl'],
      'win32 x64',
    ]);
    for (const { name, version: own } of packages) {
      expect(name).toMatch(/^@tensim\/\w+-\w+(-musl)?$/);
      expect(own).toBe(version);
    }
    // As node-gyp-build looks for them.
    expect(placeOf('linux-x64-musl').map(normalize)).toEqual([join('prebuilds', 'linux-x64'), 'tensim.musl.node']);
    expect(placeOf('darwin-arm64')).toEqual([join('prebuilds', 'darwin-arm64'), 'tensim.node']);
  });

  it('defines an install script, for npm would run node-gyp by itself beside a binding.gyp', () => {
    expect(manifest.scripts.install).toBe('node scripts/install.mjs');
  });

  it('depends on nothing but what loads the addon and builds it: the rest comes in dist/packages', () => {
    const dependencies = ['node-addon-api', 'node-api-headers', 'node-gyp-build'];
    expect(Object.keys(manifest.dependencies).sort()).toEqual(dependencies);
    const packages = text('scripts/packages.mjs');
    const peers = Object.keys(manifest.peerDependencies);
    expect(peers.every((name) => manifest.peerDependenciesMeta[name].optional)).toBe(true);
    const taken = new Set<string>();
    for (const file of readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.startsWith(join('report', 'client'))) continue;
      const imports = /^import (?!type )[^;]*?from '((?!node:)[^.'][^']*)'|\bimport\('((?!node:)[^.'][^']*)'\)/gm;
      // What may be missing is imported where it is needed.
      for (const [, fixed, late] of text(join('lib', file)).matchAll(imports))
        if (!peers.includes(late)) taken.add(fixed ?? late);
    }
    expect([...taken].sort()).toEqual([
      '@bufbuild/protobuf/wire',
      '@huggingface/hub',
      'cli-progress',
      'commander',
      'vega',
    ]);
    for (const name of taken) expect(packages, name).toMatch(new RegExp(`^ {2}'?${name}'?: \\{ file:`, 'm'));
  });

  it('ships every module that its install script imports', () => {
    const missing: string[] = [];
    const visit = (file: string): void => {
      if (!manifest.files.includes(file)) missing.push(file);
      for (const [, imported] of text(file).matchAll(/from '(\.[^']+)'/g)) visit(join(dirname(file), imported));
    };
    visit('scripts/install.mjs');
    expect(missing).toEqual([]);
  });

  it('ships what the README and the guide link to', () => {
    const ships = picomatch(manifest.files.flatMap((entry: string) => [entry, `${entry}/**`]));
    const visited = new Set<string>();
    const visit = (page: string): void => {
      if (visited.has(page)) return;
      visited.add(page);
      for (const [, target] of text(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const file = join(dirname(page), target).split(sep).join('/');
        if (file !== 'README.md') expect(ships(file), `${page} links to ${file}`).toBe(true);
        if (file.endsWith('.md')) visit(file);
      }
    };
    visit('README.md');
    expect(visited.size).toBeGreaterThan(12);
  });

  it('says to cmake-js that it needs Node-API only, so that no headers are downloaded', () => {
    expect(manifest.binary.napi_versions).toEqual([8]);
  });
});

describe('the list of native sources', () => {
  const listed = [...native.sources, ...native.addon, ...instructionSets.flatMap(([, { sources }]) => sources)];

  it('names every source file once, and no other', () => {
    const present = readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.cc'))
      .map((file) => `native/${file.split(sep).join('/')}`);
    expect([...listed].sort()).toEqual(present.sort());
  });

  it('keeps what knows Node in native/addon', () => {
    const inAddon = (file: string): boolean => file.startsWith('native/addon/');
    expect(native.addon.every(inAddon)).toBe(true);
    // What opens the library of a device serves the addon, and the native tests too: without Node.
    const withoutNode = native.sources.filter(inAddon);
    expect(withoutNode.every((file: string) => file.startsWith('native/addon/cuda/'))).toBe(true);
    for (const file of native.sources) expect(readFileSync(join(root, file), 'utf8'), file).not.toMatch(/\bnapi/i);
  });

  it.each(instructionSets.filter(([, { optional }]) => optional !== true))(
    'is read by binding.gyp for %s, on its own architecture',
    (name, { arch, define }) => {
      const gyp = text('binding.gyp');
      expect(gyp).toContain(`'<!@(<(ask) isa ${name} sources)'`);
      expect(gyp).toMatch(new RegExp(`target_arch=="${arch}"', \\{ 'dependencies': \\[[^\\]]*'tensim_${name}'`));
      expect(define).toBe(`TENSIM_HAVE_${name.toUpperCase()}`);
    },
  );
});
