import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { listOf, mappingOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { commandOutput, runCommand } from '../../src/host/exec.ts';
import { namesIn, statIfThere } from '../../src/host/files.ts';
import { CACHE } from './controller-process.ts';

const OVERLAY = new URL('../../manifests/overlays/prometheus/', import.meta.url);

/**
 * Where Debian's `prometheus` and `promtool` are: the package is unpacked into the cache, once, and not installed, for
 * that would start a server on this host.
 */
export async function prometheusPrograms(): Promise<string> {
  const kept = `${CACHE}/prometheus`;
  if ((await statIfThere(`${kept}/usr/bin/promtool`)) !== undefined) return `${kept}/usr/bin`;
  const scratch = await mkdtemp(`${CACHE}/prometheus-`);
  try {
    await commandOutput('apt-get', ['download', '-o', 'APT::Sandbox::User=root', 'prometheus'], {
      cwd: scratch,
    });
    const deb = (await namesIn(scratch)).find((name) => name.endsWith('.deb')) ?? 'no package';
    await commandOutput('dpkg-deb', ['-x', `${scratch}/${deb}`, `${scratch}/tree`]);
    await rm(kept, { recursive: true, force: true });
    await rename(`${scratch}/tree`, kept);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return `${kept}/usr/bin`;
}

/** What the operator makes of our PrometheusRule: a file of rules. */
export async function rulesText(): Promise<string> {
  const rule: unknown = parse(await readFile(new URL('alerts.yaml', OVERLAY), 'utf8'));
  return stringify({ groups: valueAt(rule, ['spec', 'groups']) });
}

/** Every PromQL expression of the dashboard, with Grafana's variables as Grafana fills them in for all nodes. */
export async function dashboardExpressions(): Promise<readonly string[]> {
  const dashboard: unknown = JSON.parse(await readFile(new URL('dashboard.json', OVERLAY), 'utf8'));
  const targets = listOf(valueAt(dashboard, ['panels'])).flatMap((panel) =>
    listOf(valueAt(panel, ['targets'])),
  );
  return targets.map((target) =>
    (textAt(target, ['expr']) ?? '').replaceAll('$instance', '.+').replaceAll('$__rate_interval', '1m'),
  );
}

/** `promtool ARGUMENTS`; throws with its complaint. */
export async function promtool(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(`${await prometheusPrograms()}/promtool`, args);
  if (exitCode !== 0) throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** By job, then by what `instance` is to be: a port of this host. */
export type Scraped = Readonly<Record<string, Readonly<Record<string, number>>>>;

export type Prometheus = {
  /** `data` of an answer of its HTTP API; throws with the error of one that is none. */
  ask(path: string): Promise<Mapping>;
  /** The series that an expression gives now. */
  query(expression: string): Promise<readonly Mapping[]>;
  close(): Promise<void>;
};

/** A real Prometheus on loopback that scrapes these each second, as our PodMonitors would have it, with our rules. */
export async function startPrometheus(scraped: Scraped, port: number): Promise<Prometheus> {
  const programs = await prometheusPrograms();
  await mkdir(tmpdir(), { recursive: true });
  const directory = await mkdtemp(`${tmpdir()}/hm-prometheus-`);
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yaml'],
    scrape_configs: Object.entries(scraped).map(([job, targets]) => ({
      job_name: job,
      honor_labels: true,
      static_configs: Object.entries(targets).map(([instance, at]) => ({
        targets: [`127.0.0.1:${at}`],
        labels: { instance },
      })),
    })),
  };
  await writeFile(`${directory}/rules.yaml`, await rulesText());
  await writeFile(`${directory}/prometheus.yaml`, stringify(config));
  const log = await open(`${directory}/log`, 'w');
  const flags = [
    ...[`--config.file=${directory}/prometheus.yaml`, `--storage.tsdb.path=${directory}/data`],
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn(`${programs}/prometheus`, flags, { stdio: ['ignore', log.fd, log.fd] });
  const ended = once(child, 'exit');
  const ask = async (path: string): Promise<Mapping> => {
    const answer: unknown = await (await fetch(`http://127.0.0.1:${port}${path}`)).json();
    if (textAt(answer, ['status']) !== 'success') throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return mappingOf(valueAt(answer, ['data']));
  };
  const close = async (): Promise<void> => {
    child.kill();
    await ended;
    await log.close();
    await rm(directory, { recursive: true });
  };
  try {
    await untilReady(port, () => child.exitCode);
  } catch (error) {
    const said = await readFile(`${directory}/log`, 'utf8');
    await close();
    throw new Error(`prometheus: ${said.slice(-2_000)}`, { cause: error });
  }
  return {
    ask,
    query: async (expression) =>
      listOf((await ask(`/api/v1/query?query=${encodeURIComponent(expression)}`)).result).map(mappingOf),
    close,
  };
}

const READY_WITHIN_MS = 60_000;

async function untilReady(port: number, exitCode: () => number | null): Promise<void> {
  const end = Date.now() + READY_WITHIN_MS;
  while (Date.now() < end && exitCode() === null) {
    const answer = await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(100);
  }
  throw new Error(`it was not ready within ${READY_WITHIN_MS / 1000} s`);
}
