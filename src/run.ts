import { lateBells, openController } from './controller.ts';
import type { Controller } from './controller.ts';
import type { RunOptions } from './cli/run-options.ts';
import { openParser } from './api/parser.ts';
import { ensureDirectory } from './host/files.ts';
import { openLog } from './log.ts';
import type { Logger } from './log.ts';
import type { InstanceStatus } from './api/status.ts';
import type { InstanceId, InstanceKey } from './machine/ids.ts';
import { openClusterSource } from './cluster-source.ts';
import type { ClusterSourceParts, OpenedSource } from './cluster-source.ts';
import { openControlSocket } from './serve/control-socket.ts';
import { openHttp } from './serve/http.ts';
import { openMetrics } from './serve/metrics.ts';
import type { Metrics } from './serve/metrics.ts';
import { readCrd, readVolumeCrd } from './sources/crd.ts';
import { openDirectorySource } from './sources/directory/open-directory-source.ts';
import type { Source } from './sources/source.ts';
import { openEgressWarnings } from './egress-warnings.ts';
import { inheritedDeclarations } from './inherited-declarations.ts';
import { reportsInTurn } from './reports-in-turn.ts';
import { lockStateDirectory } from './storage/state-lock.ts';
import { outsideOf } from './upstream.ts';
import { vmmProcessOf } from './vmm-process.ts';
import { openWorkshops } from './workshops.ts';
import type { Workshops, WorkshopSettings } from './workshops.ts';

export type RunContext = {
  readonly version: string;
  readonly signal: AbortSignal;
  readonly newId: () => InstanceId;
  readonly say: (line: string) => void;
  /** Somebody watches: progress is told in lines, beside the log. */
  readonly isTerminal: boolean;
};

/** How long passes in hand may take to end when the controller is told to stop. */
const DRAIN_MS = 10_000;

/**
 * Runs the controller until the signal, or with `once` until rest. Returns the exit code: with `once`,
 * 0 when every instance is ready and 1 when something is not. Machines run on in every case.
 */
export async function runController(options: RunOptions, context: RunContext): Promise<number> {
  const log = openLog(options.logLevel);
  const lost = new AbortController();
  const onLost = (message: string): void => {
    log.error({ message }, 'this agent ends, its machines run on');
    lost.abort();
  };
  const signal = AbortSignal.any([context.signal, lost.signal]);
  const code = await runUntil(options, { ...context, signal }, { log, onLost });
  return lost.signal.aborted ? 1 : code;
}

async function runUntil(
  options: RunOptions,
  context: RunContext,
  { log, onLost }: Pick<ClusterSourceParts, 'log' | 'onLost'>,
): Promise<number> {
  const settings = workshopSettings(options);
  await ensureDirectory(settings.roots.run, 0o711);
  await using stack = new AsyncDisposableStack();
  const lock = await lockStateDirectory(settings.roots);
  stack.defer(() => {
    lock.release();
  });
  const ring = lateBells();
  const outside = await outsideOf(options, settings.roots);
  const workshops = await openWorkshops({ ...settings, outside }, ring.bells, log);
  stack.defer(() => workshops.close());
  const metrics = openMetrics(context.version, workshops.egress);
  const { version } = context;
  const declared = await openSource(options, { workshops, metrics, log, version, onLost });
  stack.defer(declared.close);
  const inherited = inheritedDeclarations(declared.source, workshops.storage);
  const { source, tell } = reportsInTurn(inherited.source);
  stack.defer(() => source.close());
  metrics.instancesAre(() => source.keys().flatMap((key) => source.lastStatus(key) ?? []));
  const warnings = openEgressWarnings({ egress: workshops.egress, source, tell, log, now: Date.now });
  stack.defer(() => warnings.close());
  const controller = openController(
    { workshops, source, inheritanceFrom: inherited.inheritanceFrom, ring },
    {
      concurrency: options.concurrency,
      resyncMs: options.resyncMs,
      metrics,
      newId: context.newId,
      ...(context.isTerminal ? { announce: context.say } : {}),
    },
    log,
  );
  const serving = await openDoors(options, context, { workshops, source, metrics, log });
  stack.defer(() => serving.close());
  stack.defer(() => controller.close(DRAIN_MS));
  // A cluster that cannot be reached is waited for without end: whoever ends us does not.
  if (!(await Promise.race([controller.start().then(() => true), aborted(context.signal)]))) return 0;
  serving.isReady();
  log.info(
    { version: context.version, declarations: options.declarations, stateDir: options.stateDir },
    'controller started',
  );
  if (options.once) return await converge(controller, source, options, context);
  await aborted(context.signal);
  return 0;
}

async function openSource(
  options: RunOptions,
  parts: Omit<ClusterSourceParts, 'parser'>,
): Promise<OpenedSource> {
  const { declarations, stateDir, runDir } = options;
  const parser = openParser(await readCrd(), { volumes: await readVolumeCrd() });
  if (declarations.in === 'cluster') return openClusterSource(options, declarations, { ...parts, parser });
  const { watch: directories, pruneAll } = declarations;
  const roots = { state: stateDir, run: runDir };
  const source = await openDirectorySource({ directories, roots, parser, log: parts.log, pruneAll });
  return { source, close: () => undefined };
}

function workshopSettings(options: RunOptions): WorkshopSettings {
  const { kernel, kernelModules, registryAuth } = options;
  return {
    roots: { state: options.stateDir, run: options.runDir },
    nodeName: options.nodeName,
    defaultHypervisor: options.hypervisor,
    accelerator: options.accelerator,
    subnet: options.subnet,
    dns: options.dns,
    ...(kernel === undefined
      ? {}
      : { kernel: { path: kernel, ...(kernelModules === undefined ? {} : { modules: kernelModules }) } }),
    ...(registryAuth === undefined ? {} : { registryAuth }),
  };
}

type Behind = {
  readonly workshops: Workshops;
  readonly source: Source;
  readonly metrics: Metrics;
  readonly log: Logger;
};

/** The control socket for our own commands, probes and metrics for everybody on loopback, metrics where wished. */
async function openDoors(
  options: RunOptions,
  { version }: RunContext,
  { workshops, source, metrics, log }: Behind,
): Promise<{ isReady(): void; close(): Promise<void> }> {
  let started = false;
  const socket = await openControlSocket({
    path: `${options.runDir}/controller.sock`,
    links: workshops.links,
    egress: workshops.egress,
    resolve: (key) => {
      const declared = source.declared(key);
      const id = workshops.storage.recordOf(key)?.identity.id;
      if (id === undefined) return undefined;
      return { id, agent: declared.is !== 'wanted' || !declared.instance.spec.skipGuestAgent };
    },
    processOf: (key) => vmmProcessOf(workshops, key),
    log,
    version,
  });
  const problems = {
    health: () => undefined,
    readiness: () => (started ? undefined : 'the declarations are being read'),
  };
  const { listen, metricsListen } = options;
  const doors = [
    ...(listen === 'off' ? [] : [{ ...listen, flag: '--listen' as const, problems }]),
    ...(metricsListen === 'off' ? [] : [{ ...metricsListen, flag: '--metrics-listen' as const }]),
  ];
  const servers = await Promise.all(doors.map((door) => openHttp({ ...door, metrics })));
  return {
    isReady: () => {
      started = true;
    },
    close: async () => {
      await Promise.all([socket, ...servers].map((door) => door.close()));
    },
  };
}

async function converge(
  controller: Controller,
  source: Source,
  { timeoutMs }: RunOptions,
  { say, signal }: RunContext,
): Promise<number> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const isSettled = await Promise.race([controller.settled().then(() => true), aborted(deadline)]);
  const outcomes = source.keys().map((key) => outcomeOf(key, source.lastStatus(key)));
  for (const { line } of outcomes) say(line);
  if (!isSettled) say(`not at rest after ${timeoutMs / 1000} s`);
  return isSettled && outcomes.every(({ isReady }) => isReady) ? 0 : 1;
}

function outcomeOf(
  key: InstanceKey,
  status: InstanceStatus | undefined,
): { readonly isReady: boolean; readonly line: string } {
  const ready = status?.conditions.find(({ type }) => type === 'Ready');
  if (ready === undefined) return { isReady: false, line: `${key}: not looked at yet` };
  const isReady = ready.status === 'True';
  return { isReady, line: `${key}: ${isReady ? 'ready' : 'not ready'} (${ready.reason}): ${ready.message}` };
}

function aborted(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    const end = (): void => {
      resolve(false);
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
