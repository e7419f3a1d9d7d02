#!/usr/bin/env node
import module from 'node:module';

// From Node 22.1 on what is compiled is kept for the next run, in the system's temporary folder (NODE_DISABLE_COMPILE_CACHE=1
// prevents it): only what is imported afterwards, hence not at the top.
(module as { enableCompileCache?: () => unknown }).enableCompileCache?.();
const { EXIT, run } = await import('./main.js');

// The first Ctrl-C aborts the work, which then cleans up after itself; the second ends the process at once.
const interrupted = new AbortController();
const interrupt = () => {
  if (interrupted.signal.aborted) process.exit(EXIT.interrupted);
  interrupted.abort();
};
process.on('SIGINT', interrupt);
// What keeps services stops them so, and a worker has something to give back.
if (process.argv[2] === 'worker') process.on('SIGTERM', interrupt);

// A write that fails is reported to whoever made it; unheard, these events would end the process with a stack.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

const { stdout, stderr, env } = process;
// Not process.exit: what stdout and stderr still hold must be written.
process.exitCode = await run(process.argv.slice(2), { stdout, stderr, signal: interrupted.signal, env });
