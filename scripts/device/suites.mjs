// suites.mjs REPORT NAME: what a run of suites with the CUDA backend forced has found, from vitest's JSON. A test that
// fails because the backend does not know something is counted by itself.

import { readFileSync } from 'node:fs';

const [file, name] = process.argv.slice(2);
let report;
try {
  report = JSON.parse(readFileSync(file, 'utf8'));
} catch (error) {
  console.log(`SUMMARY ${name}: no report (${error.message})`);
  process.exit(1);
}
let [passed, unknown] = [0, 0];
const failed = [];
for (const { name: suite, message, assertionResults } of report.testResults) {
  if (assertionResults.length === 0 && message) failed.push([suite, message]);
  for (const { status, fullName, failureMessages } of assertionResults) {
    if (status === 'passed') passed++;
    if (status !== 'failed') continue;
    const text = failureMessages.join('\n');
    if (/\bit does not know|does not know the (route|method)/.test(text)) unknown++;
    else failed.push([`${suite}: ${fullName}`, text]);
  }
}
for (const [what, text] of failed) console.log(`FAIL ${what}\n    ${text.split('\n').slice(0, 6).join('\n    ')}`);
console.log(`SUMMARY ${name}: ${passed} passed, ${failed.length} failed, ${unknown} not known to the backend`);
process.exit(failed.length === 0 && passed > 0 ? 0 : 1);
