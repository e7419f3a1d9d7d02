import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

/**
 * The install script in a package without an addon, where what is called a compiler and cmake are scripts: cmake leaves the files of a
 * build, and an "addon" that is a module of JavaScript's own, or none.
 */
const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'tensim-install-'));
const tools = join(folder, 'bin');
const installed = join(folder, 'node_modules', 'tensim');
const build = join(installed, 'build');
const log = join(folder, 'npm.log');

const CMAKE = `#!/bin/sh
case "$1" in
  --build) mkdir -p "$2/Release"; echo objects > "$2/Release/rest.o"; ADDON ;;
  *) mkdir -p "$4"; echo cache > "$4/CMakeCache.txt" ;;
esac
`;

function tool(name: string, text: string): void {
  writeFileSync(join(tools, name), text, { mode: 0o755 });
}

/** Runs the script as npm does: what it prints goes to a log. With a terminal, resolves to what is seen on it. */
function install(terminal: boolean, env: Record<string, string> = {}): string {
  const clean = { PATH: tools, HOME: folder, npm_lifecycle_event: 'install', ...env };
  const script = join(installed, 'scripts', 'install.mjs');
  const command = `'${process.execPath}' '${script}' > '${log}' 2>&1`;
  const options = { env: clean, encoding: 'utf8', detached: true } as const;
  return terminal
    ? spawnSync('/usr/bin/script', ['-qec', command, '/dev/null'], options).stdout
    : spawnSync('/bin/sh', ['-c', command], options).stdout;
}

const said = (): string => readFileSync(log, 'utf8');

describe.runIf(process.platform === 'linux' && existsSync('/usr/bin/script'))('the install script', () => {
  beforeEach(() => {
    rmSync(folder, { recursive: true, force: true });
    for (const made of [tools, join(installed, 'scripts')]) mkdirSync(made, { recursive: true });
    for (const name of ['install.mjs', 'toolchain.mjs'])
      cpSync(join(root, 'scripts', name), join(installed, 'scripts', name));
    writeFileSync(join(installed, 'package.json'), '{ "name": "tensim", "type": "module" }');
    symlinkSync(join(root, 'node_modules', 'node-gyp-build'), join(folder, 'node_modules', 'node-gyp-build'));
    for (const name of ['sh', 'mkdir', 'cp', 'echo']) {
      symlinkSync(
        execFileSync('/bin/sh', ['-c', `command -v /bin/${name}`], { encoding: 'utf8' }).trim(),
        join(tools, name),
      );
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('says on the terminal that it compiles, before it does, and leaves nothing but the addon', () => {
    tool('c++', '#!/bin/sh\n');
    const real = nativeAddon();
    tool('cmake', CMAKE.replace('ADDON', `cp '${real}' "$2/Release/tensim.node"`));
    const seen = install(true);
    expect(seen).toMatch(/tensim: compiling the native addon: .* minutes; TENSIM_SKIP_BUILD=1 leaves it out/);
    expect(said()).toBe('tensim: built the native addon with cmake\n');
    expect(readdirSync(build)).toEqual(['Release']);
    expect(readdirSync(join(build, 'Release'))).toEqual(['tensim.node']);
  });

  it('says on the terminal why there is no addon, and keeps it for the first use', () => {
    tool('c++', '#!/bin/sh\n');
    tool('cmake', CMAKE.replace('ADDON', 'echo "no such header"; exit 1'));
    const seen = install(true);
    expect(seen).toMatch(/was not built: building with cmake failed .* fallback will be used.*npm rebuild tensim/);
    expect(said()).toContain('no such header');
    expect(readdirSync(build)).toEqual(['install.json']);
    const note = JSON.parse(readFileSync(join(build, 'install.json'), 'utf8'));
    expect(note).toMatchObject({ remedy: 'npm rebuild tensim', wanted: true });
  });

  it('says it to the log where there is no terminal', () => {
    install(false);
    expect(said()).toMatch(/^tensim: the native addon was not built: no C\+\+ compiler was found\. .*\n$/);
    expect(readdirSync(build)).toEqual(['install.json']);
  });

  it('does not call for an addon that nobody wanted', () => {
    install(false, { TENSIM_SKIP_BUILD: '1' });
    expect(JSON.parse(readFileSync(join(build, 'install.json'), 'utf8')).wanted).toBe(false);
  });
});

/** An addon that loads: that of any package. */
function nativeAddon(): string {
  const built = join(root, 'build', 'Release', 'tensim.node');
  if (existsSync(built)) return built;
  const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  return join(prebuilt, readdirSync(prebuilt).find((name) => name.endsWith('.node')) ?? dirname(prebuilt));
}
