import { createInterface } from 'node:readline';
import { runJob } from '../../lib/similarity/jobs/run.js';

/** A process that runs jobs: a line of JSON in, a line of JSON out. */
for await (const line of createInterface({ input: process.stdin })) {
  const answer = await runJob(JSON.parse(line)).then(
    (result) => ({ result }),
    ({ code, message }: { code?: string; message: string }) => ({ error: { code, message } }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
