/**
 * The report of a run: one line for each round, and a table at the end.
 */
import { type Breach, BREACH_KINDS } from "./breach.ts";

/** One round. */
export interface Round {
  readonly fault: string;
  readonly target: string;
  readonly recoveryMs: number;
  /** What did not recover in time. */
  readonly breaches: readonly Breach[];
}

/** How many breaches of one kind are told. */
const TOLD = 5;

/** Collects rounds and breaches. */
export class Report {
  readonly seed: number;
  readonly #say: (line: string) => void;
  readonly #startedAt = Date.now();
  readonly #rounds: Round[] = [];
  readonly #breaches: Breach[] = [];
  executions = 0;

  constructor(options: { seed: number; say: (line: string) => void }) {
    this.seed = options.seed;
    this.#say = options.say;
  }

  /** True while no promise was broken. */
  get isClean(): boolean {
    return this.#breaches.length === 0;
  }

  get rounds(): number {
    return this.#rounds.length;
  }

  /** Milliseconds since the start. */
  get tookMs(): number {
    return Date.now() - this.#startedAt;
  }

  addRound(round: Round): void {
    this.#rounds.push(round);
    const { fault, target, recoveryMs } = round;
    const number = String(this.#rounds.length).padStart(3);
    const name = `${fault} (${target})`.padEnd(28);
    this.#say(
      `round ${number}  ${name}  recovery ${seconds(recoveryMs)}  executions ${this.executions}  ${
        seconds(this.tookMs)
      }`,
    );
    this.add(round.breaches);
  }

  /** Breaches that were found apart from a round's recovery. */
  add(breaches: readonly Breach[]): void {
    for (const breach of breaches) {
      this.#breaches.push(breach);
      const same = this.#breaches.filter(({ kind }) => kind === breach.kind).length;
      if (same <= TOLD) this.#say(`  ${breach.kind}: ${breach.detail}`);
      else if (same === TOLD + 1) this.#say(`  ${breach.kind}: and more`);
    }
  }

  /** The sums, as `--json` writes them. */
  summary() {
    const counts = Object.fromEntries(BREACH_KINDS.map((kind) => [
      kind,
      this.#breaches.filter((breach) => breach.kind === kind).length,
    ])) as Record<Breach["kind"], number>;
    const faults = [...new Set(this.#rounds.map(({ fault }) => fault))].sort().map((fault) => {
      const rounds = this.#rounds.filter((round) => round.fault === fault);
      const worstRecoveryMs = Math.max(...rounds.map(({ recoveryMs }) => recoveryMs));
      return { fault, rounds: rounds.length, late: rounds.flatMap(({ breaches }) => breaches).length, worstRecoveryMs };
    });
    return {
      seed: this.seed,
      seconds: Math.round(this.tookMs / 1000),
      rounds: this.#rounds.length,
      executions: this.executions,
      ...counts,
      worstRecoveryMs: Math.max(0, ...this.#rounds.map(({ recoveryMs }) => recoveryMs)),
      faults,
      breaches: this.#breaches.slice(0, 200),
    };
  }

  /** The tables, in Markdown. */
  table(): string {
    const sums = this.summary();
    const cells = [sums.rounds, sums.executions, ...BREACH_KINDS.map((kind) => sums[kind])];
    const rows = sums.faults.map(({ fault, rounds, late, worstRecoveryMs }) =>
      `| ${fault} | ${rounds} | ${late} | ${seconds(worstRecoveryMs)} |`
    );
    return `
| rounds | executions | ${BREACH_KINDS.join(" | ")} | worst recovery |
|${" ---: |".repeat(cells.length + 1)}
| ${cells.join(" | ")} | ${seconds(sums.worstRecoveryMs)} |

| fault | rounds | late | worst recovery |
| --- | ---: | ---: | ---: |
${rows.join("\n")}
`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
