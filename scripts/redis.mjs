// Redis servers of one's own, on the loopback and a free port, for tests and campaigns.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** Whether a server can be started here. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A port that nobody listens to. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Starts a server that writes what it is told to a folder of its own. */
export async function redisServer(options = [], { tls = false } = {}) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'tensim-redis-'));
  const ports = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
  const args = ['--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--save', '', ...ports, ...options];
  let child;
  const start = async () => {
    child = spawn('redis-server', args, { stdio: 'ignore' });
    while (child.exitCode === null && !(await answers(port))) await wait(20);
    if (child.exitCode !== null) throw new Error(`redis-server ended with exit status ${child.exitCode}`);
  };
  const stop = async (signal = 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  };
  const remove = async () => {
    await stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  await start();
  return { port, url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}/0`, start, stop, remove };
}
