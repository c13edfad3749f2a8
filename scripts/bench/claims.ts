/**
 * What Millrace claims of its speed, and whether a machine bears it out.
 */
import type { ContenderName } from "./contenders.ts";
import type { Figures } from "./rounds.ts";
import { markdown } from "./table.ts";

/** A claim, and what was measured. */
export interface Claim {
  readonly text: string;
  readonly measured: number;
  /** What is claimed: at least, or at most, so much. */
  readonly bound: { readonly least: number } | { readonly most: number };
  /** Behind each number, such as " µs". */
  readonly unit?: string;
}

/** Callers at once, for claims of throughput and for those of one caller's wait. */
export const MANY = 64;
export const ONE = 1;

/** The claims that compare contenders; those whose contenders were not measured are left out. */
export function comparisonClaims(figures: readonly Figures[]): Claim[] {
  const of = (name: ContenderName, callers: number) => figures.find((it) => it.name === name && it.callers === callers);
  const claims: Claim[] = [];
  const ratio = (text: string, pair: [number | undefined, number | undefined], bound: Claim["bound"]) => {
    const [a, b] = pair;
    if (a !== undefined && b !== undefined) claims.push({ text, measured: a / b, bound });
  };
  const ways = [["millrace", "short way", 0.6, 1], ["long", "long way", 0.4, 1.6]] as const;
  for (const [name, way, least, most] of ways) {
    const [many, one] = [of(name, MANY), of(name, ONE)];
    ratio(`${way}: part of the bare streams' requests/s, ${MANY} callers`, [many?.rate, of("echo", MANY)?.rate], {
      least,
    });
    ratio(`${way}: times the bare streams' p50, one caller`, [one?.p50, of("echo", ONE)?.p50], { most });
    ratio(`${way}: times BullMQ's requests/s, ${MANY} callers`, [many?.rate, of("bullmq", MANY)?.rate], { least: 2.5 });
    ratio(`${way}: p50 of polling, times its own, one caller`, [of("polling", ONE)?.p50, one?.p50], { least: 40 });
    ratio(`${way}: p99 by p50, ${MANY} callers`, [many?.p99, many?.p50], { most: 3 });
  }
  return claims;
}

/** Processor time of workflows of some numbers of nodes, in microseconds. */
export interface NodeCost {
  readonly nodes: number;
  readonly cpuMicroseconds: number;
}

/** What a further node costs, over all and between neighbours; the first two are about the tenth, the last about the hundredth. */
export function nodeClaims(costs: readonly [NodeCost, NodeCost, NodeCost, NodeCost]): Claim[] {
  const [first, second, third, last] = costs;
  const each = (from: NodeCost, to: NodeCost) => (to.cpuMicroseconds - from.cpuMicroseconds) / (to.nodes - from.nodes);
  return [
    {
      text: "CPU of a further pure node, Redis's included",
      measured: each(first, last),
      bound: { most: 60 },
      unit: " µs",
    },
    {
      text: "the hundredth node by the tenth",
      measured: each(third, last) / each(first, second),
      // Differences of differences: a quarter is noise.
      bound: { most: 1.25 },
    },
  ];
}

/** Whether what was measured is what is claimed. */
export function isMet({ measured, bound }: Claim): boolean {
  return "least" in bound ? measured >= bound.least : measured <= bound.most;
}

/** A row a claim. */
export function claimsTable(claims: readonly Claim[]): string {
  const rows = claims.map((claim) => {
    const { text, measured, bound, unit = "" } = claim;
    const wanted = "least" in bound ? `≥ ${number(bound.least)}` : `≤ ${number(bound.most)}`;
    return [text, `${wanted}${unit}`, `${number(measured)}${unit}`, isMet(claim) ? "yes" : "**no**"];
  });
  return markdown(["", "claimed", "measured", "met"], rows);
}

function number(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(3));
}
