import type { BuildOptions } from 'esbuild';
import type { Plugin } from 'vitest/config';

export declare const bundledText: Plugin;
export declare const forNode: BuildOptions;
