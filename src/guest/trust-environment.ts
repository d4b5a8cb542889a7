import type { BootDescription } from '../machine/boot.ts';

/** A name that init keeps for the image's own bundle, wherever that is (trust.c). */
export const BUNDLE_PATH = '/etc/ssl/hypeman-ca-bundle.crt';

/** What clients call the file of CAs that they trust; most of these bring their own list otherwise. */
const BUNDLE_VARIABLES = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'GIT_SSL_CAINFO',
  'DENO_CERT',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'NIX_SSL_CERT_FILE',
] as const;

/** Where a Java runtime has its trust store below JAVA_HOME: from version 9 on, and before. */
const JAVA_STORES = ['lib/security/cacerts', 'jre/lib/security/cacerts'] as const;

/** Each is read in both cases, and which of the two wins differs between clients: a pair is set as one. */
const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'] as const;

/**
 * The environment of a mediated program: the instance's own words over ours, ours over the image's where they
 * are about the proxy (the image's is another network's), the image's over ours where they name a bundle of CAs
 * (init puts the CA into that one too).
 */
export function withEgress(
  egress: BootDescription['egress'],
  image: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (egress === undefined) return { ...image, ...own };
  const bundles = Object.fromEntries(BUNDLE_VARIABLES.map((name) => [name, BUNDLE_PATH]));
  const foreign: ReadonlySet<string> = new Set(PROXY_VARIABLES.flatMap(bothCases));
  const ofImage = Object.fromEntries(Object.entries(image).filter(([name]) => !foreign.has(name)));
  return { ...bundles, ...ofImage, ...proxyVariables(egress, own), ...own };
}

/** The files that these variables name: init adds the CA to them where they are plain files of the image. */
export function storesNamedIn(env: Readonly<Record<string, string>>): {
  readonly bundles: readonly string[];
  readonly javaStores: readonly string[];
} {
  const bundles = BUNDLE_VARIABLES.map((name) => env[name] ?? '');
  const home = env.JAVA_HOME ?? '';
  const javaStores = JAVA_STORES.map((store) => `${home.replace(/\/+$/, '')}/${store}`);
  return {
    bundles: [...new Set(bundles)].filter((path) => path.startsWith('/') && path !== BUNDLE_PATH),
    javaStores: home.startsWith('/') ? javaStores : [],
  };
}

/**
 * Those of these variables that are ours alone, for the services of a full system. A value that the instance's
 * owner set stays off the guest's disk.
 */
export function serviceVariables(
  egress: NonNullable<BootDescription['egress']>,
  env: Readonly<Record<string, string>>,
): readonly string[] {
  const ours: ReadonlySet<string> = new Set([egress.proxy, egress.noProxy, BUNDLE_PATH]);
  return [...BUNDLE_VARIABLES, ...PROXY_VARIABLES.flatMap(bothCases)]
    .filter((name) => ours.has(env[name] ?? ''))
    .map((name) => `${name}=${env[name] ?? ''}`);
}

function proxyVariables(
  { proxy, noProxy }: { readonly proxy: string; readonly noProxy: string },
  own: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const wanted = PROXY_VARIABLES.filter((name) => bothCases(name).every((each) => own[each] === undefined));
  return Object.fromEntries(
    wanted.flatMap((name) => bothCases(name).map((each) => [each, name === 'NO_PROXY' ? noProxy : proxy])),
  );
}

function bothCases(name: string): readonly [string, string] {
  return [name, name.toLowerCase()];
}
