import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { replaceFile } from '../../lib/formats/replace_file.js';
import { checkPlace } from '../../lib/report/write.js';
import { BACKDOOR, step, tensim } from '../cli/run.js';
import { temporaryFolder } from './safetensors/helpers.js';

const root = temporaryFolder();
let made = 0;
const place = (name: string): string => {
  const folder = join(root, `${made++}`);
  mkdirSync(folder);
  return join(folder, name);
};
const file = (name: string, mode: number): string => {
  const path = place(name);
  writeFileSync(path, 'old');
  chmodSync(path, mode);
  return path;
};
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);
const put = (path: string) => replaceFile(path, (handle) => handle.writeFile('new'));
const refused = async (path: string, message: RegExp) => {
  await expect(put(path)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) });
  await expect(checkPlace(path)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
};

describe.skipIf(process.platform === 'win32')('a file that replaces another', () => {
  it.each([0o600, 0o644, 0o660, 0o755, 0o666])('has its mode: %o', async (mode) => {
    const path = file('a.json', mode);
    await put(path);
    expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['new', mode.toString(8)]);
    expect(readdirSync(join(path, '..'))).toEqual(['a.json']);
  });

  it('runs as nobody else', async () => {
    const path = file('a.json', 0o6755);
    await put(path);
    expect(modeOf(path)).toBe('755');
  });

  it('is for its writer alone until it is complete', async () => {
    const path = file('a.json', 0o644);
    await replaceFile(path, async (handle) => {
      expect((await handle.stat()).mode & 0o777).toBe(0o600);
    });
    expect(modeOf(path)).toBe('644');
  });

  it('of a new name has what the system gives', async () => {
    const path = place('a.json');
    await put(path);
    expect(modeOf(path)).toBe((0o666 & ~process.umask()).toString(8));
  });

  it.runIf(process.getuid?.() === 0)('keeps its owner and group where they may be given', async () => {
    const path = file('a.json', 0o640);
    execFileSync('chown', ['1234:4321', path]);
    await put(path);
    expect(statSync(path)).toMatchObject({ uid: 1234, gid: 4321 });
    expect(modeOf(path)).toBe('640');
  });

  it('leaves a link, and replaces what it leads to', async () => {
    const path = file('target.json', 0o600);
    const [link, second] = [join(path, '..', 'link.json'), join(path, '..', 'second.json')];
    symlinkSync('target.json', link);
    symlinkSync(link, second);
    await put(second);
    expect([readlinkSync(second), readlinkSync(link)]).toEqual([link, 'target.json']);
    expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['new', '600']);
  });

  it('follows a link from a folder that is a link itself, and one to nothing yet', async () => {
    const path = place('real.json');
    mkdirSync(join(path, '..', 'far', 'deep'), { recursive: true });
    symlinkSync(join('far', 'deep'), join(path, '..', 'near'));
    symlinkSync(join('..', 'made.json'), join(path, '..', 'far', 'deep', 'link.json'));
    await put(join(path, '..', 'near', 'link.json'));
    expect(readFileSync(join(path, '..', 'far', 'made.json'), 'utf8')).toBe('new');
  });

  it('leaves the other names of a file what they were', async () => {
    const path = file('a.json', 0o600);
    linkSync(path, join(path, '..', 'b.json'));
    await put(path);
    expect(readFileSync(join(path, '..', 'b.json'), 'utf8')).toBe('old');
  });

  it('does not take the place of a pipe, a socket, a device, a folder or a circle of links', async () => {
    const fifo = place('f.json');
    execFileSync('mkfifo', [fifo]);
    await refused(fifo, /this is a pipe \(FIFO\)/);
    expect(lstatSync(fifo).isFIFO()).toBe(true);
    const socket = place('s.json');
    const server = createServer().listen(socket);
    await new Promise((done) => server.once('listening', done));
    await refused(socket, /this is a socket/);
    server.close();
    await refused('/dev/null', /this is a device/);
    const link = place('null.json');
    symlinkSync('/dev/null', link);
    await refused(link, /this is a device/);
    await refused(root, /this is a folder/);
    const circle = place('circle.json');
    symlinkSync('circle.json', circle);
    await refused(circle, /in a circle/);
  });

  it.skipIf(process.getuid?.() === 0)('does not take the place of one that is read-only', async () => {
    await refused(file('a.json', 0o444), /it is read-only/);
  });

  it('is refused before the work of a command, and holds for all that write', async () => {
    const fifo = place('f.json');
    execFileSync('mkfifo', [fifo]);
    for (const args of [
      ['matrix', BACKDOOR, '--out', fifo],
      ['compare', step(0), 'gone', '--out', fifo],
      ['explain', step(0), 'gone', '--out', fifo],
    ]) {
      const { code, stderr } = await tensim(args);
      expect(stderr).toMatch(/this is a pipe \(FIFO\)/);
      expect(code).toBe(2);
    }
    const archive = file('a.npz', 0o600);
    expect((await tensim(['convert', step(0), archive])).code).toBe(0);
    expect(modeOf(archive)).toBe('600');
    const product = file('a.safetensors', 0o640);
    expect((await tensim(['contract', 'i,i->', '2', '2', '--out', product])).code).toBe(0);
    expect(modeOf(product)).toBe('640');
    const report = file('a.svg', 0o600);
    expect((await tensim(['compare', step(0), step(200), '--out', report])).code).toBe(0);
    expect(modeOf(report)).toBe('600');
  });
});
