import { inspect } from 'node:util';

/**
 * A value that cannot be printed by accident: String(), JSON and inspect() all give `[secret]`.
 * `reveal()` is called where the value leaves for its one destination and nowhere else.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
