#!/usr/bin/env node
// Stands in for node-gyp under prebuildify, which calls it in the folder where it will look for build/Release/*.node:
// what it is to find there has been built (cross.mjs), for a machine that node-gyp knows nothing of.

import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const place = join(process.cwd(), 'build', 'Release');
mkdirSync(place, { recursive: true });
copyFileSync(process.env.TENSIM_PREBUILD_ADDON, join(place, 'tensim.node'));
