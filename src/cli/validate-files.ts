import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openParser } from '../api/parser.ts';
import { messageOf } from '../errors.ts';
import { statIfThere } from '../host/files.ts';
import { readCrd, readVolumeCrd } from '../sources/crd.ts';
import { isDeclarationName, isHidden } from '../sources/directory/names.ts';
import { readDeclarations } from '../sources/reading.ts';
import type { Claim, FileReading } from '../sources/reading.ts';

/** What is declared, and everything that is wrong with it, one line each. */
export type Validation = {
  readonly valid: readonly Claim[];
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
};

/** Reads files, and directories as `--watch` would, as one set: a name may occur once among them all. */
export async function validateFiles(paths: readonly string[]): Promise<Validation> {
  const parser = openParser(await readCrd(), { volumes: await readVolumeCrd() });
  const readings = await Promise.all(
    (await filesOf(paths)).map(async (file) => {
      try {
        return readDeclarations(await readFile(file, 'utf8'), file, { parser, salt: '' });
      } catch (error) {
        return { ...NOTHING, problems: [`${file}: ${messageOf(error)}`] };
      }
    }),
  );
  const claims = readings.flatMap((reading) => reading.claims);
  const bad = claims.flatMap(({ says }) => (says.is === 'bad' ? [says.message] : []));
  const empty = readings.every(isEmpty) ? [`nothing is declared in ${paths.join(', ')}`] : [];
  return {
    valid: claims.filter(({ says }) => says.is !== 'bad'),
    warnings: [...readings.flatMap(({ warnings }) => warnings), ...readings.flatMap(lookalikeTexts)],
    problems: [...readings.flatMap(({ problems }) => problems), ...bad, ...duplicatesOf(claims), ...empty],
  };
}

const NOTHING: FileReading = {
  claims: [],
  problems: [],
  warnings: [],
  lookalikes: [],
  ignored: 0,
  isBroken: false,
};

function isEmpty({ claims, problems }: FileReading): boolean {
  return claims.length === 0 && problems.length === 0;
}

function lookalikeTexts({ lookalikes }: FileReading): readonly string[] {
  return lookalikes.map(
    ({ place, subject }) => `${place}: this is not read as ${subject}: check apiVersion and kind`,
  );
}

/** Neither of two wins in a watched directory; so neither passes here. */
function duplicatesOf(claims: readonly Claim[]): readonly string[] {
  const first = new Map<string, string>();
  return claims.flatMap(({ subject, place }) => {
    const earlier = first.get(subject);
    if (earlier === undefined) first.set(subject, place);
    return earlier === undefined
      ? []
      : [`${place}: ${subject} is declared at ${earlier} already: give it another name`];
  });
}

async function filesOf(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    paths.map(async (path) => ((await statIfThere(path))?.isDirectory() === true ? filesIn(path) : [path])),
  );
  return [...new Set(found.flat())];
}

async function filesIn(directory: string): Promise<readonly string[]> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter(({ name }) => !isHidden(name));
  const found = await Promise.all(
    entries.map(async ({ name }) => {
      const path = join(directory, name);
      if ((await statIfThere(path))?.isDirectory() === true) return filesIn(path);
      return isDeclarationName(name) ? [path] : [];
    }),
  );
  return found.flat().sort();
}
