import type { BlocksResult } from '../../blocks/terms.js';
import { SCHEMAS } from '../schemas.js';

/** A comparison of blocks as plain data, the contract `tensim.blocks/1`. */
export function blocksJson(result: BlocksResult): Record<string, unknown> {
  return { schema: SCHEMAS.blocks, ...result };
}
