import { HypemanError } from '../../../errors.ts';
import type { ApiServer } from '../api-server.ts';

/**
 * The same server for one term at work: no write begins when the term is over, and one under way is given up. What
 * reaches the server late all the same is made under a name or a version that it then meets.
 */
export function fenced(api: ApiServer, isHeld: () => boolean, ended: AbortSignal): ApiServer {
  return {
    ask: (request) => {
      if (request.method !== 'GET' && !isHeld())
        throw new HypemanError('transient', 'NotAtWork', 'another worker is at work now');
      const { signal } = request;
      return api.ask({ ...request, signal: signal === undefined ? ended : AbortSignal.any([ended, signal]) });
    },
    stream: (path, limits) => api.stream(path, limits),
    close: () => undefined,
  };
}
