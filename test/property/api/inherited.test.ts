import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inherited } from '../../../src/api/inherited.ts';
import { inheritanceOf } from '../../../src/api/inheritance.ts';
import type { Credential, InstanceSpec } from '../../../src/api/instance.ts';
import { keyOf } from '../../../src/machine/ids.ts';
import { readInheritance, textOfInheritance } from '../../../src/storage/inheritance-text.ts';
import { aFork, secrets, SILENT } from '../../support/forks.ts';
import { anInstance } from '../../support/worlds.ts';

const NAME = fc.constantFrom('A', 'B', 'C', 'constructor', '__proto__');

const credentials: fc.Arbitrary<Readonly<Record<string, Credential>>> = fc
  .dictionary(NAME, NAME, { maxKeys: 3 })
  .map((pairs) =>
    Object.fromEntries(
      Object.entries(pairs).map(([name, sourceEnv]) => [
        name,
        { sourceEnv, inject: [{ hosts: [], header: name, format: '${value}', when: 'always' }] },
      ]),
    ),
  );

const spec: fc.Arbitrary<Partial<InstanceSpec>> = fc.record(
  {
    vcpus: fc.integer({ min: 1, max: 8 }),
    cmd: fc.array(fc.string()),
    diskBps: fc.nat(),
    hypervisor: fc.constantFrom('qemu', 'firecracker'),
    network: fc.record({
      enabled: fc.boolean(),
      egress: fc.record({ enabled: fc.boolean(), mode: fc.constantFrom('all', 'http_https_only') }),
    }),
    credentials,
    tags: fc.dictionary(NAME, fc.string()),
    state: fc.constantFrom('Running', 'Standby', 'Stopped'),
  },
  { requiredKeys: [] },
);

/** No value of one variable is a part of that of another. */
const values = fc
  .uniqueArray(NAME)
  .map((names) => Object.fromEntries(names.map((name) => [name, `value<${name}>`])));

const forks = fc.record({
  source: spec,
  own: spec,
  spoken: fc.subarray([...SILENT]),
  from: fc.constantFrom('Inherit', 'None'),
  values,
});

test('a fork that inherited has nothing more to inherit', () => {
  fc.assert(
    fc.property(forks, ({ source, own, spoken, from, values }) => {
      const left = inheritanceOf(anInstance(source), secrets(values), 'Running');
      const once = inherited(aFork('copy', 'web', { ...own, spoken }, from), left);
      expect(inherited(once, left)).toEqual(once);
      expect(once.spec.silent).toBeUndefined();
    }),
  );
});

test('no value of a source of a credential is written down, through any number of generations', () => {
  fc.assert(
    fc.property(forks, spec, ({ source, own, spoken, from, values }, grandchild) => {
      const left = inheritanceOf(anInstance(source), secrets(values), 'Running');
      const fork = inherited(aFork('copy', 'web', { ...own, spoken }, from), left);
      const further = inheritanceOf(fork, secrets(values), 'Running');
      const last = inherited(aFork('leaf', 'copy', grandchild), further);
      const texts = [left, further, inheritanceOf(last, secrets(values), 'Running')].map((one) =>
        textOfInheritance(keyOf('default', 'copy'), one),
      );
      const sources = Object.values(anInstance(source).spec.credentials).map(({ sourceEnv }) => sourceEnv);
      for (const text of texts) for (const name of sources) expect(text).not.toContain(`value<${name}>`);
    }),
  );
});

test('what was written down is read back as it was', () => {
  fc.assert(
    fc.property(forks, ({ source, values }) => {
      const left = inheritanceOf(anInstance(source), secrets(values), 'Standby');
      const fork = keyOf('default', 'copy');
      const reading = readInheritance(textOfInheritance(fork, left), fork);
      expect(reading).toEqual({ is: 'inheritance', inheritance: left });
      const env = reading.is === 'inheritance' ? reading.inheritance.env : {};
      for (const [name, value] of Object.entries(env)) expect(value.reveal()).toBe(values[name]);
    }),
  );
});
