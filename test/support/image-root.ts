import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { commandOutput } from '../../src/host/exec.ts';
import { subjectHash } from '../../src/guest/subject-hash.ts';

/** Root directories laid out as distributions do, as far as their stores of CAs go. `publicCa` is PEM. */
export type Layout = (root: string, publicCa: string) => Promise<void>;

export const LAYOUTS = {
  /** ca-certificates, openssl and ca-certificates-java: a bundle, a directory by hashes, a Java store. */
  debian: async (root, publicCa) => {
    await put(root, 'etc/ssl/certs/ca-certificates.crt', publicCa);
    await put(root, 'usr/share/ca-certificates/public.crt', publicCa);
    await link(root, 'etc/ssl/certs/public.pem', '/usr/share/ca-certificates/public.crt');
    await link(root, `etc/ssl/certs/${subjectHash(publicCa)}.0`, 'public.pem');
    await link(root, 'usr/lib/ssl/certs', '/etc/ssl/certs');
    await mkdir(join(root, 'usr/local/share'), { recursive: true });
    await putJavaStore(root, 'etc/ssl/certs/java/cacerts', publicCa, 'JKS');
    await link(root, 'usr/lib/jvm/java/lib/security/cacerts', '/etc/ssl/certs/java/cacerts');
  },
  alpine: async (root, publicCa) => {
    await put(root, 'etc/ssl/certs/ca-certificates.crt', publicCa);
    await link(root, 'etc/ssl/cert.pem', 'certs/ca-certificates.crt');
    await link(root, 'etc/ssl1.1/cert.pem', '/etc/ssl/cert.pem');
  },
  rhel: async (root, publicCa) => {
    await put(root, 'etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', publicCa, 0o444);
    await link(root, 'etc/pki/tls/certs/ca-bundle.crt', '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem');
    await link(root, 'etc/pki/tls/cert.pem', 'certs/ca-bundle.crt');
    await link(root, 'etc/ssl/certs', '../pki/tls/certs');
    await mkdir(join(root, 'etc/pki/ca-trust/source/anchors'), { recursive: true });
    await putJavaStore(root, 'etc/pki/ca-trust/extracted/java/cacerts', publicCa, 'PKCS12');
  },
  suse: async (root, publicCa) => {
    await put(root, 'var/lib/ca-certificates/ca-bundle.pem', publicCa);
    await link(root, 'etc/ssl/ca-bundle.pem', '../../var/lib/ca-certificates/ca-bundle.pem');
    await mkdir(join(root, 'etc/pki/trust/anchors'), { recursive: true });
  },
  bare: async (root) => {
    await mkdir(root, { recursive: true });
  },
} satisfies Record<string, Layout>;

export async function put(
  root: string,
  path: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  await chmod(join(root, path), mode);
}

export async function link(root: string, path: string, target: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await symlink(target, join(root, path));
}

/** A store as Java's own keytool makes it; PKCS12 without a password is what Java ships since version 18. */
async function putJavaStore(
  root: string,
  path: string,
  certificate: string,
  type: 'JKS' | 'PKCS12',
): Promise<void> {
  await put(root, path, '');
  const store = join(root, path);
  await put(root, `${path}.pem`, certificate);
  await commandOutput('rm', [store]);
  const bare = ['-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE', '-J-Dkeystore.pkcs12.macAlgorithm=NONE'];
  const args = ['-importcert', '-noprompt', '-alias', 'public', '-file', `${store}.pem`, '-keystore', store];
  await commandOutput('keytool', [...bare, ...args, '-storetype', type, '-storepass', 'changeit']);
  await commandOutput('rm', [`${store}.pem`]);
}

/** Copies a program of this host with the libraries that it is linked to. */
export async function putProgram(root: string, program: string): Promise<void> {
  const linked = await commandOutput('ldd', [program]);
  const libraries = [...linked.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
  for (const path of [program, ...libraries]) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await copyFile(path, join(root, path));
    await chmod(join(root, path), 0o755);
  }
}

export async function textIn(root: string, path: string): Promise<string> {
  return readFile(join(root, path), 'utf8');
}
