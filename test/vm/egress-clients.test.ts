import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cli, eventually } from '../support/controller-process.ts';
import { WITHOUT_PROXY, bearerFor, isMediated, openEgressHouse } from '../support/egress-house.ts';
import type { EgressHouse } from '../support/egress-house.ts';
import { CLIENTS } from '../support/egress-vm-image.ts';
import { README, REPOSITORY_TOKEN } from '../support/egress-vm-repository.ts';
import { valuesOf } from '../support/egress-upstream.ts';
import type { RequestSeen } from '../support/egress-vm-internet.ts';

/** One guest, clients that nobody here wrote, both ways to the proxy. Each asks once; the upstream says what came. */
let egress: EgressHouse;

const VALUE = 'canary-clients-0001';
const GIT_VALUE = Buffer.from(`git:${REPOSITORY_TOKEN}`).toString('base64');
const PYTHON = `python3 ${CLIENTS}/clients.py`;
const JAVA_PROXY =
  'p=${https_proxy#http://}; p=${p%/}; java -Dhttps.proxyHost=${p%:*} -Dhttps.proxyPort=${p#*:}';
const S_CLIENT = 'openssl s_client -quiet -verify_return_error -servername api.test -connect api.test:443';

beforeAll(async () => {
  egress = await openEgressHouse('10.121.0.0/24', 'all');
  await egress.declareClients('guest', {
    env: { REAL_KEY: VALUE, REAL_GIT: GIT_VALUE, GREETING: 'hello' },
    credentials: {
      API_KEY: bearerFor('REAL_KEY', ['api.test', '*.wild.test']),
      ASKED_KEY: {
        source: { env: 'REAL_KEY' },
        inject: [
          { hosts: ['api.test'], as: { header: 'X-Asked', format: 'key ${value}' }, when: 'placeholder' },
        ],
      },
      GIT_KEY: {
        source: { env: 'REAL_GIT' },
        inject: [{ hosts: ['git.test'], as: { header: 'Authorization', format: 'Basic ${value}' } }],
      },
    },
    network: { egress: { enabled: true } },
  });
  await egress.untilUp('guest');
}, 400_000);

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await egress.house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await egress.close();
});

/** What the guest said, when the script went well. */
async function inGuest(script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await egress.inGuest('guest', script);
  if (exitCode !== 0) throw new Error(`exit code ${exitCode} of ${script}: ${stdout}\n${stderr}`);
  return stdout;
}

let marked = 0;
/** A mark that no other request has, nor an earlier attempt of this test. */
function fresh(name: string): string {
  marked += 1;
  return `case=${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${marked}.`;
}

/** The one request that came with this mark. */
function only(mark: string): RequestSeen {
  const seen = egress.internet.requests(mark);
  expect(seen.map(({ url }) => url)).toHaveLength(1);
  const [request] = seen;
  if (request === undefined) throw new Error(`no request with ${mark}`);
  return request;
}

/** The value is in that header, once, and nowhere else in the request. */
function expectInjected(request: RequestSeen): void {
  expect(valuesOf(request.rawHeaders, 'authorization')).toEqual([`Bearer ${VALUE}`]);
  expect(JSON.stringify(request).split(VALUE)).toHaveLength(2);
}

describe('what the guest has', () => {
  test('placeholders, and neither the values nor their variables', async () => {
    const environment = await inGuest('env; tr "\\0" "\\n" </proc/1/environ; cat /proc/cmdline');
    expect(environment).toContain('API_KEY=mock-API_KEY');
    expect(environment).toContain('GREETING=hello');
    expect(environment).not.toMatch(/REAL_KEY|REAL_GIT/);
    expect(environment).not.toContain(VALUE);
    expect(environment).not.toContain(GIT_VALUE);
  });

  test('status says that all of it is in place, and shows no value', async () => {
    const seen = await eventually(
      'conditions',
      () => egress.house.untilReady('guest'),
      (instance) => isMediated(instance),
    );
    expect(JSON.stringify(seen.status)).not.toContain(VALUE);
  });
});

type Client = {
  readonly name: string;
  /** With the environment as it is; `URL` stands for the URL. */
  readonly explicit: string;
  /** With no proxy in the environment; as `explicit` unless told. */
  readonly transparent?: string;
  readonly says?: string;
  readonly version?: string;
};

const CLIENTS_THAT_GET: readonly Client[] = [
  { name: 'curl, HTTP/2', explicit: 'curl -sS URL', version: '2.0' },
  { name: 'curl, HTTP/1.1', explicit: 'curl -sS --http1.1 URL', version: '1.1' },
  { name: 'wget', explicit: 'wget -qO- URL' },
  { name: 'Python urllib', explicit: `${PYTHON} with_urllib URL` },
  { name: 'Python requests', explicit: `${PYTHON} with_requests URL` },
  { name: 'Python httpx', explicit: `${PYTHON} with_httpx URL`, version: '1.1' },
  { name: 'Python httpx, HTTP/2', explicit: `${PYTHON} with_httpx2 URL`, version: '2.0' },
  {
    name: 'Node fetch',
    explicit: `node ${CLIENTS}/client.mjs URL $https_proxy`,
    transparent: `node ${CLIENTS}/client.mjs URL`,
  },
  { name: 'Go', explicit: `${CLIENTS}/client-go URL`, version: '2.0' },
  {
    name: 'Java',
    explicit: `${JAVA_PROXY} -cp ${CLIENTS} Client URL`,
    transparent: `java -cp ${CLIENTS} Client URL`,
    version: '2.0',
  },
  {
    name: 'openssl s_client',
    explicit: `printf "GET $(echo URL | sed s,https://api.test,,) HTTP/1.1\\r\\nHost: api.test\\r\\nConnection: close\\r\\n\\r\\n" | ${S_CLIENT} -proxy $(echo $https_proxy | sed "s,http://,,; s,/$,,")`,
    transparent: `printf "GET $(echo URL | sed s,https://api.test,,) HTTP/1.1\\r\\nHost: api.test\\r\\nConnection: close\\r\\n\\r\\n" | ${S_CLIENT}`,
    version: '1.1',
  },
];

describe.each(['explicit', 'transparent'] as const)('%s: the value arrives in the declared header', (way) => {
  test.each(CLIENTS_THAT_GET)('$name', async ({ name, explicit, transparent, says = 'ok', version }) => {
    const mark = fresh(`${way}-${name}`);
    const script = way === 'explicit' ? explicit : `${WITHOUT_PROXY} ${transparent ?? explicit}`;
    expect(await inGuest(script.replaceAll('URL', `https://api.test/echo?${mark}`))).toContain(says);
    const request = only(mark);
    expectInjected(request);
    if (version !== undefined) expect(request.version).toBe(version);
  });
});

describe.each([
  ['explicit', ''],
  ['transparent', WITHOUT_PROXY],
])('%s: what is more than a request', (way, first) => {
  test('a private repository is cloned', async () => {
    const directory = `/tmp/${way}`;
    const clone = `rm -rf ${directory}; git clone -q https://git.test/repository.git ${directory}`;
    expect(await inGuest(`${first} ${clone} && cat ${directory}/README`)).toBe(README.trimEnd());
  });

  test('gRPC streams both ways over HTTP/2', async () => {
    const mark = fresh('grpc');
    const said = await inGuest(`${first} ${PYTHON} with_grpc 'https://api.test/test.Echo/Chat?${mark}'`);
    expect(said).toBe('one,two,three');
    const request = only(mark);
    expectInjected(request);
    expect(request.version).toBe('2.0');
  });

  test('a WebSocket has the value in its handshake and is opaque afterwards', async () => {
    const mark = fresh('websocket');
    const url = `https://api.test/chat?${mark}`;
    expect(await inGuest(`${first} ${PYTHON} with_websocket '${url}'`)).toBe('echoed');
    expectInjected(only(mark));
  });

  test('server-sent events come as they are sent', async () => {
    const mark = fresh('events');
    const url = `https://api.test/events?${mark}`;
    const [events, seconds] = (await inGuest(`${first} ${PYTHON} with_events '${url}'`)).split(' ');
    expect(Number(events)).toBe(4);
    expect(Number(seconds)).toBeGreaterThan(1);
    expectInjected(only(mark));
  });

  test('a large download arrives whole', async () => {
    const url = 'https://api.test/bytes?mb=20';
    expect(await inGuest(`${first} curl -sS '${url}' | wc -c`)).toBe(String(20 << 20));
  });
});

describe('who gets nothing', () => {
  test.each([
    ['explicit', ''],
    ['transparent', WITHOUT_PROXY],
  ])('%s: a host without a rule, with the certificate of its own', async (way, first) => {
    const mark = fresh('none');
    const url = `https://other.test/echo?${mark}`;
    const ca = `<<'END'\n${await worldCa()}\nEND`;
    expect(await inGuest(`${first} curl -sS --cacert /dev/stdin '${url}' ${ca}`)).toBe('ok');
    const request = only(mark);
    expect(valuesOf(request.rawHeaders, 'authorization')).toEqual([]);
  });

  test.each([
    ['explicit', ''],
    ['transparent', WITHOUT_PROXY],
  ])('%s: the same host over plain HTTP', async (way, first) => {
    const mark = fresh('plain');
    const url = `http://api.test/echo?${mark}`;
    expect(await inGuest(`${first} curl -sS -H 'Authorization: Bearer mine' '${url}'`)).toBe('ok');
    expect(valuesOf(only(mark).rawHeaders, 'authorization')).toEqual(['Bearer mine']);
  });

  test('a redirect is the guest’s to follow, and its target gets nothing', async () => {
    const mark = fresh('redirect');
    const url = `https://api.test/redirect?${mark}`;
    expect(await inGuest(`curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' '${url}'`)).toBe(
      '302 https://other.test/echo?case=redirected',
    );
    expectInjected(only(mark));
    expect(egress.internet.requests('case=redirected')).toEqual([]);
  });

  test('a rule that wants its placeholder leaves others alone', async () => {
    const marks = ['other', 'placeholder', 'none'].map((name) => fresh(`asked-${name}`));
    const [other, placeholder, none] = marks.map((mark) => `'https://api.test/echo?${mark}'`);
    await inGuest(
      `curl -sS -H 'X-Asked: nothing' ${other}; curl -sS -H "X-Asked: $ASKED_KEY" ${placeholder}; curl -sS ${none}`,
    );
    const asked = marks.map((mark) => valuesOf(only(mark).rawHeaders, 'x-asked'));
    expect(asked).toEqual([['nothing'], [`key ${VALUE}`], []]);
  });

  test('fronting: a name in the handshake and another in the request is refused', async () => {
    const mark = fresh('front');
    const script = `curl -sS -o /dev/null -w '%{http_code}' -H 'Host: other.test' 'https://api.test/echo?${mark}'`;
    expect(await inGuest(script)).toBe('421');
    expect(egress.internet.requests(mark)).toEqual([]);
  });

  test('one label more is matched by a wildcard, the apex is not', async () => {
    const [below, apex] = [fresh('below'), fresh('apex')];
    await inGuest(
      `curl -sS 'https://one.wild.test/echo?${below}'; curl -sSk 'https://wild.test/echo?${apex}'`,
    );
    expectInjected(only(below));
    expect(valuesOf(only(apex).rawHeaders, 'authorization')).toEqual([]);
  });
});

async function worldCa(): Promise<string> {
  return (await readFile(egress.internet.trustBundle, 'utf8')).trim();
}

describe('what the user sees', () => {
  test('describe, egress: hosts, times and decisions, and never a value', async () => {
    const describe = await cli(egress.house.place, 'describe', 'guest');
    const decisions = await cli(egress.house.place, 'egress', 'guest');
    expect(describe.stdout).toContain('api.test');
    expect(decisions.stdout).toContain('api.test');
    for (const { stdout, stderr } of [describe, decisions]) expect(`${stdout}${stderr}`).not.toContain(VALUE);
  });
});
