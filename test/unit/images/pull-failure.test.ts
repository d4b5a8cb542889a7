import { describe, expect, test } from 'vitest';
import { lastWords, pullFailure, retryDelayMs } from '../../../src/images/pull-failure.ts';
import { parseReference } from '../../../src/images/reference.ts';

/** As skopeo 1.9 prints it. */
function fatal(message: string): string {
  return `time="2026-01-01T00:00:00Z" level=fatal msg=${JSON.stringify(message)}`;
}
function reasonOf(message: string, reference = 'r.example.com/team/app:v1'): string {
  return pullFailure(fatal(message), parseReference(reference), reference).reason;
}
const parsing = 'Error parsing image name "docker://r.example.com/team/app:v1": ';

describe('what skopeo says', () => {
  test.each([
    [
      `${parsing}reading manifest v1 in r.example.com/team/app: unauthorized: authentication required`,
      'RegistryDenied',
    ],
    [
      `${parsing}reading manifest v1 in r.example.com/team/app: denied: requested access to the resource is denied`,
      'RegistryDenied',
    ],
    [
      `${parsing}reading manifest v1 in r.example.com/team/app: manifest unknown: manifest unknown`,
      'ImageNotFound',
    ],
    [
      `${parsing}reading manifest v1 in r.example.com/team/app: name unknown: repository name not known to registry`,
      'ImageNotFound',
    ],
    [
      `${parsing}reading manifest v1 in r.example.com/team/app: toomanyrequests: You have reached your pull rate limit`,
      'RegistryRateLimited',
    ],
    [
      `${parsing}pinging container registry r.example.com: Get "https://r.example.com/v2/": x509: certificate signed by unknown authority`,
      'RegistryTlsError',
    ],
    [
      `${parsing}pinging container registry r.example.com: Get "https://r.example.com/v2/": http: server gave HTTP response to HTTPS client`,
      'RegistryTlsError',
    ],
    [
      `${parsing}pinging container registry r.example.com: Get "https://r.example.com/v2/": net/http: TLS handshake timeout`,
      'RegistryUnreachable',
    ],
    [
      `${parsing}pinging container registry r.example.com: Get "https://r.example.com/v2/": dial tcp: lookup r.example.com on 10.0.0.1:53: no such host`,
      'RegistryUnreachable',
    ],
    [
      `${parsing}pinging container registry r.example.com: received unexpected HTTP status: 503 Service Unavailable`,
      'RegistryUnreachable',
    ],
    ['writing blob: write /var/x/oci-put-blob1: no space left on device', 'DiskFull'],
    ['something that nobody foresaw', 'PullFailed'],
  ])('%s is %s', (message, reason) => {
    expect(reasonOf(message)).toBe(reason);
  });

  test('is not misread because of how the image is called', () => {
    const name = 'certificate.example.com/denied/not-found:429';
    const message = `Error parsing image name "docker://${name}": pinging container registry certificate.example.com: Get "https://certificate.example.com/v2/": dial tcp 10.0.0.1:443: connect: connection refused`;
    expect(reasonOf(message, name)).toBe('RegistryUnreachable');
    const reading = `reading manifest 429 in certificate.example.com/denied/not-found: manifest unknown`;
    expect(reasonOf(reading, name)).toBe('ImageNotFound');
  });

  test('is passed on without signed addresses', () => {
    const words = lastWords(fatal('Get "https://cdn.example.com/blob?X-Signature=s3cr3t&x=1": EOF'));
    expect(words).toBe('Get "https://cdn.example.com/blob?…": EOF');
  });

  test('names the image and the way out', () => {
    const reference = 'r.example.com/team/app:v1';
    const error = pullFailure(fatal('unauthorized'), parseReference(reference), reference);
    expect(error.message).toContain(reference);
    expect(error.message).toContain('docker login');
  });
});

describe('the wait before the next try', () => {
  test('doubles from a second to five minutes', () => {
    const waits = [1, 2, 3, 9, 10, 1000].map((failures) => retryDelayMs('RegistryUnreachable', failures));
    expect(waits).toEqual([1000, 2000, 4000, 256_000, 300_000, 300_000]);
  });

  test('is longer where only somebody else can mend it', () => {
    expect(retryDelayMs('ImageNotFound', 1)).toBe(60_000);
    expect(retryDelayMs('RegistryRateLimited', 1)).toBe(300_000);
  });
});
