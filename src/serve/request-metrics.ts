import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';

export type RequestMetrics = {
  /** An API server answered with this HTTP status; 0: it did not. `WATCH` is a method of its own. */
  answered(method: string, status: number): void;
};

/**
 * What is asked of an API server, named as client-go names it, with its word for no answer at all. Its label
 * `host` is left out: there is one server, and its address says nothing to a dashboard.
 */
export function openRequestMetrics(registers: Registry[]): RequestMetrics {
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server by method and status; WATCH counts watches that were begun.',
    labelNames: ['code', 'method'],
    registers,
  });
  return {
    answered: (method, status) => {
      requests.inc({ code: status === 0 ? '<error>' : String(status), method });
    },
  };
}
