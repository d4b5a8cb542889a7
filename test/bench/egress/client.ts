import { runJob } from './load.ts';
import type { Job } from './load.ts';

/** `client.ts JOB`: does the job (JSON) and prints what came of it (JSON), from a process of its own. */
console.log(JSON.stringify(await runJob(JSON.parse(process.argv[2] ?? '') as Job)));
process.exit(0);
