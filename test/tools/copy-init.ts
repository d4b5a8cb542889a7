import { chmodSync, copyFileSync } from 'node:fs';
import { buildInit } from '../../src/guest/build-init.ts';

/** Puts init beside the compiled code, where `findInit` looks first: a published package needs no compiler. */
const [directory = ''] = process.argv.slice(2);
const target = `${directory}/init-${process.arch}`;
copyFileSync(await buildInit('.cache/init'), target);
chmodSync(target, 0o755);
