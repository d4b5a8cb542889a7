import type { Answer, ApiRequest, ApiServer } from './api-server.ts';

/** What a request is for, the most urgent first. */
export type Urgency = 'claim' | 'status' | 'event';

/**
 * A request begins when fewer than this many are under way. A start needs its claim alone, so claims find a place
 * however much there is to tell; Events go when there is next to nothing else. More at once makes each slower and
 * none sooner: four agents keep one server of four cores busy with half of this.
 */
const MOST_UNDER_WAY: Readonly<Record<Urgency, number>> = { claim: 16, status: 8, event: 2 };

const URGENCIES: readonly Urgency[] = ['claim', 'status', 'event'];

/** One API server, asked in the order of what is urgent; first come, first served among equals. */
export class ServerTurns {
  readonly #api: ApiServer;
  readonly #waiting: Readonly<Record<Urgency, (() => void)[]>> = { claim: [], status: [], event: [] };
  #underWay = 0;

  constructor(api: ApiServer) {
    this.#api = api;
  }

  /** The server for requests of this kind; a stream waits for no turn. */
  for(urgency: Urgency): ApiServer {
    return {
      ask: (request) => this.#ask(urgency, request),
      stream: (path, limits) => this.#api.stream(path, limits),
      close: () => {
        this.#api.close();
      },
    };
  }

  async #ask(urgency: Urgency, request: ApiRequest): Promise<Answer> {
    await new Promise<void>((resolve) => {
      this.#waiting[urgency].push(resolve);
      this.#next();
    });
    try {
      return await this.#api.ask(request);
    } finally {
      this.#underWay -= 1;
      this.#next();
    }
  }

  #next(): void {
    for (const urgency of URGENCIES)
      while (this.#underWay < MOST_UNDER_WAY[urgency]) {
        const begin = this.#waiting[urgency].shift();
        if (begin === undefined) break;
        this.#underWay += 1;
        begin();
      }
  }
}
