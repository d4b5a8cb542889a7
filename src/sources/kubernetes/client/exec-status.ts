import { listOf, textAt, valueAt } from '../../../api/raw.ts';

/** How a command in a Pod ended. */
export type ExecEnding =
  { readonly is: 'exited'; readonly code: number } | { readonly is: 'failed'; readonly message: string };

/**
 * The last word on the error channel of `v4.channel.k8s.io` and later: a metav1.Status, whose cause `ExitCode`
 * has the code of a program that ran; without one, the program was never started.
 */
export function endingIn(text: string): ExecEnding {
  const status = parsed(text);
  if (textAt(status, ['status']) === 'Success') return { is: 'exited', code: 0 };
  const causes = listOf(valueAt(status, ['details', 'causes']));
  const exit = causes.find((cause) => textAt(cause, ['reason']) === 'ExitCode');
  const code = Number(textAt(exit, ['message']) ?? Number.NaN);
  if (Number.isInteger(code)) return { is: 'exited', code };
  return { is: 'failed', message: (textAt(status, ['message']) ?? text).slice(0, 500) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
