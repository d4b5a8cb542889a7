import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isMapping } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { commandOutput } from '../../src/host/exec.ts';

const SCRIPT = new URL('../../manifests/argocd/health.lua', import.meta.url).pathname;

export type ArgoHealth = {
  readonly status: string;
  readonly message: string;
};

/** What Argo CD would show of each: our script in the Lua that it is written for, with what Argo CD gives it. */
export async function argoHealthOf(objects: readonly Mapping[]): Promise<readonly ArgoHealth[]> {
  const directory = await mkdtemp(`${tmpdir()}/hm-lua-`);
  try {
    const program = `${directory}/all.lua`;
    await writeFile(program, PROGRAM.replace('OBJECTS', objects.map(luaOf).join(',\n')));
    const lines = (await commandOutput('lua5.1', [program, SCRIPT])).split('\n');
    return lines.map((line) => {
      const [status = '', message = ''] = line.split('\t');
      return { status, message };
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A fresh environment for each, of the libraries that Argo CD opens: nothing may lean on what an earlier one left. */
const PROGRAM = `
local function inOneLine(text) return (string.gsub(text or "", "%s+", " ")) end
for _, one in ipairs({ OBJECTS }) do
  local script = assert(loadfile(arg[1]))
  local given = { obj = one, ipairs = ipairs, pairs = pairs, tostring = tostring, type = type }
  setfenv(script, setmetatable(given, { __index = { table = table, string = string } }))
  local health = script()
  print(health.status .. "\\t" .. inOneLine(health.message))
end
`;

/** JSON values as Lua's. A null is a key that is not there. */
function luaOf(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(luaOf).join(', ')}}`;
  if (isMapping(value))
    return `{${Object.entries(value)
      .filter(([, each]) => each !== null && each !== undefined)
      .map(([name, each]) => `[${textOf(name)}] = ${luaOf(each)}`)
      .join(', ')}}`;
  return typeof value === 'string' ? textOf(value) : String(value);
}

/** Byte by byte: what JSON and Lua escape differs. */
function textOf(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`;
}
