import { RecordLog } from '../../lib/similarity/state/log.js';
import { decodeRecord } from '../../lib/similarity/state/records.js';

/** The pairs that a state file has, as often as they stand in it. */
export async function pairsIn(path: string): Promise<string[]> {
  const pairs: string[] = [];
  const log = await RecordLog.open(path, (payload) => {
    const record = decodeRecord(payload);
    if (record?.kind !== 'tile') return record !== undefined;
    const { rows, columns, symmetric } = record.job;
    for (const i of rows) for (const j of columns) if (!symmetric || i <= j) pairs.push(`${record.setting}: ${i},${j}`);
    return true;
  });
  await log.close();
  return pairs;
}
