import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { run } from '../../lib/cli/main.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { checkpointBytes, nameOf } from '../live/checkpoints.js';
import { Sink, tensim } from './run.js';

const isEvent = new Ajv2020({ strict: true, strictRequired: false }).compile(
  JSON.parse(readFileSync(join(import.meta.dirname, '../../schemas/tensim.event.1.schema.json'), 'utf8')),
);
const QUICK = ['--settle', '0.05', '--poll', '0.1'];

describe('tensim watch', () => {
  const root = temporaryFolder();
  /** A folder of checkpoints that were written long ago, as the watch goes by. */
  const folderOf = async (name: string, seeds: readonly number[]) => {
    const folder = join(root, name);
    mkdirSync(folder);
    for (const [i, seed] of seeds.entries()) writeFileSync(join(folder, nameOf(10 * i)), checkpointBytes(10 * i, seed));
    await wait(100);
    return folder;
  };
  const ONSET = [1, 1, 1, 1, 1, 7, 7, 7];

  it('compares what is there and ends, with the page while it lasts and a report in the end', async () => {
    const folder = await folderOf('once', ONSET);
    const out = join(root, 'once.json');
    const { code, stdout, stderr } = await tensim(['watch', folder, ...QUICK, '--once', '--out', out]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d {2}8 .*models, 8 in all: step_00000 to step_00070\n/);
    expect(stdout).toMatch(/onset at step 40 → 50: similarity [\d.-]+, [\d.]+ times/);
    const [, url] = /^live page: (\S+)\n/.exec(stderr)!;
    expect(stderr).toContain(`wrote ${out}\nended: 8 models, 36 pairs\n`);
    expect(JSON.parse(readFileSync(out, 'utf8')).labels).toHaveLength(8);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('runs a command once for an onset, and tells a webhook; that they fail is told and harms nothing', async () => {
    const folder = await folderOf('reactions', ONSET);
    const said = join(root, 'said.txt');
    const posted: string[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        posted.push(`${request.method} ${request.headers['content-type']} ${body}`);
        response.statusCode = 418;
        response.end();
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const command = `cat > '${said}'; echo "to $TENSIM_EVENT_TO"; exit 3`;
    const limit = ['--gate-min', '0.5'];
    const args = ['watch', folder, ...QUICK, '--once', '--no-page', '--on-onset', command, '--webhook', url, ...limit];
    const { code, stderr } = await tensim(args, { env: { PATH: process.env.PATH! } });
    expect(code).toBe(1);
    const event = JSON.parse(readFileSync(said, 'utf8'));
    expect(event).toMatchObject({ schema: 'tensim.event/1', event: 'onset', from: 'step_00040', to: 'step_00050' });
    expect([isEvent(event), isEvent.errors]).toEqual([true, null]);
    expect(event.rise).toBeGreaterThan(3);
    expect(event.toFile).toBe(join(folder, nameOf(50)));
    expect(posted).toHaveLength(2);
    const [onset, gate] = posted.map((text) => JSON.parse(text.replace('POST application/json ', '')));
    expect(onset).toEqual(event);
    expect(gate).toMatchObject({ event: 'gate', from: 'step_00040', to: 'step_00050', limit: 0.5, outcome: 'fail' });
    expect([isEvent(gate), isEvent.errors]).toEqual([true, null]);
    expect(stderr).toContain('to step_00050\n');
    expect(stderr).toContain('the command of --on-onset failed: exit code 3\n');
    expect(stderr).toContain('the webhook failed: it answers 418\n');
    expect(stderr).not.toContain('live page');
    await new Promise((done) => server.close(done));
  });

  it('does not read names of models as commands', async () => {
    const folder = await folderOf('names', []);
    for (const [i, seed] of ONSET.entries())
      writeFileSync(join(folder, `a$(touch ${'pwned'})_${i}.safetensors`), checkpointBytes(i, seed));
    const args = ['watch', folder, ...QUICK, '--once', '--no-page', '--on-onset', 'echo "$TENSIM_EVENT_TO"'];
    const { stderr } = await tensim(args, { env: { PATH: process.env.PATH! } });
    expect(stderr).toContain('a$(touch pwned)_5\n');
    expect(existsSync('pwned')).toBe(false);
  });

  it('holds what comes against the one before it, and what was there only where that is all', async () => {
    const folder = await folderOf('gate', ONSET);
    const judged = await tensim(['watch', folder, ...QUICK, '--once', '--no-page', '--gate-min', '0.5']);
    expect(judged.code).toBe(1);
    expect(judged.stdout).toMatch(/gate: step_00050 has similarity [\d.-]+ to step_00040, below 0.5\n/);
    expect((await tensim(['watch', folder, ...QUICK, '--once', '--no-page', '--gate-min', '-1'])).code).toBe(0);
    await wait(100);
    const watched = tensim(['watch', folder, ...QUICK, '--idle', '10', '--no-page', '--gate-min', '0.5']);
    await wait(700);
    writeFileSync(join(folder, nameOf(80)), checkpointBytes(80, 7));
    await wait(400);
    writeFileSync(join(folder, nameOf(90)), checkpointBytes(90, 3));
    const { code, stdout } = await watched;
    expect(code).toBe(1);
    expect(stdout.match(/gate: .*/g)).toEqual([expect.stringContaining('gate: step_00090 has similarity')]);
  });

  it('ends with Ctrl-C, and says what is kept', async () => {
    const folder = await folderOf('stopped', [1, 1, 1]);
    for (const state of [undefined, join(root, 'stopped.state')]) {
      const stop = new AbortController();
      const [stdout, stderr] = [new Sink(), new Sink()];
      const args = ['watch', folder, ...QUICK, ...(state === undefined ? [] : ['--state', state])];
      const running = run(args, { stdout, stderr, signal: stop.signal, env: {} });
      for (let i = 0; i < 1000 && !stdout.text.includes('3 models'); i++) await wait(10);
      stop.abort();
      expect(await running).toBe(130);
      const words = state === undefined ? 'which are gone; with --state FILE they are kept' : `which are in ${state}`;
      expect(stderr.text).toContain(`stopped: 3 models, 6 pairs, ${words}`);
    }
  });

  it('refuses what it cannot do before it does anything', async () => {
    const folder = await folderOf('refused', [1]);
    const refused = async (...args: string[]) => {
      const { code, stderr } = await tensim(['watch', ...args]);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await refused(join(root, 'none'), '--no-page')).toContain('there is no such folder to watch');
    expect(await refused(folder, '--webhook', 'file:///etc/passwd')).toContain('no address of the web');
    expect(await refused(folder, '--port', '99999')).toContain('from 0 to 65535');
    expect(await refused(folder, '--gate-min', '2')).toContain('from -1 to 1');
    expect(await refused(folder, '--out', join(root, 'nowhere', 'x.html'))).toContain('no folder');
    const unordered = await folderOf('unordered', []);
    for (const name of ['a', 'b'])
      writeFileSync(join(unordered, `${name}.safetensors`), checkpointBytes(0, name.charCodeAt(0)));
    expect(await refused(unordered, ...QUICK, '--once', '--no-page', '--gate-min', '0')).toContain(
      'nothing says which checkpoint comes before which',
    );
  });
});

describe('tensim matrix --serve', () => {
  it('prints as without, and keeps the page until Ctrl-C', async () => {
    const stop = new AbortController();
    const [stdout, stderr] = [new Sink(), new Sink()];
    const files = [
      'examples/digits-forgetting/step_00000.safetensors',
      'examples/digits-forgetting/step_00200.safetensors',
    ];
    const running = run(['matrix', ...files, '--serve'], { stdout, stderr, signal: stop.signal, env: {} });
    for (let i = 0; i < 1000 && !stderr.text.includes('the page stays'); i++) await wait(10);
    const [, url] = /live page: (\S+)/.exec(stderr.text)!;
    const page = await (await fetch(`${url}report`)).text();
    expect(page).toContain('step_00200');
    stop.abort();
    expect(await running).toBe(0);
    expect(stdout.text).toBe((await tensim(['matrix', ...files])).stdout);
    await expect(fetch(url)).rejects.toThrow();
  });
});
