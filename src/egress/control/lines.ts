const NEWLINE = 0x0a;

/** Bytes in, whole lines out, none longer than `longest` bytes. */
export class Lines {
  readonly #longest: number;
  #parts: Buffer[] = [];
  #held = 0;

  constructor(longest: number) {
    this.#longest = longest;
  }

  /** The lines that this chunk completes, or `too-long`; after that the stream has no beginning any more. */
  push(chunk: Buffer): readonly string[] | 'too-long' {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      if (this.#held + end - from > this.#longest) return 'too-long';
      lines.push(Buffer.concat([...this.#parts, chunk.subarray(from, end)]).toString('utf8'));
      this.#parts = [];
      this.#held = 0;
      from = end + 1;
    }
    const rest = chunk.subarray(from);
    this.#held += rest.length;
    if (this.#held > this.#longest) return 'too-long';
    if (rest.length > 0) this.#parts.push(rest);
    return lines;
  }
}
