import { HypemanError, messageOf } from '../errors.ts';
import { errorCode } from '../host/files.ts';

/** The exit codes that scripts may rely on; `exec` alone passes on the one of its program. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The words on the command line cannot be meant: exit 2. */
export function usageFault(message: string): HypemanError {
  return new HypemanError('invalid', 'Usage', message);
}

export function notFound(namespace: string, name: string): HypemanError {
  const where = namespace === 'default' ? '' : ` in namespace "${namespace}"`;
  return new HypemanError('invalid', 'NotFound', `instance "${name}" not found${where}`);
}

/** One line for the user, without a stack: whatever happened, and what to do where that is known. */
export function lineOf(error: unknown): string {
  const code = errorCode(error);
  const hint = code === 'EACCES' || code === 'EPERM' ? ' (this needs root: try sudo)' : '';
  if (error instanceof HypemanError && error.reason === 'NotFound')
    return `error (NotFound): ${error.message}`;
  return `error: ${messageOf(error)}${hint}`;
}
