import { basename } from 'node:path';

/** The name of a file as a text of Python, for lines that convert it. */
export const pythonName = (path: string): string => JSON.stringify(basename(path));
