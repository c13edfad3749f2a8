/**
 * Bugs that are planted in the scripts that Redis runs: a line is changed on its way there, wherever it stands.
 */
import type { PlantName } from "./plants.ts";

/** A text that the product's scripts must have, and what is sent instead. */
export interface Edit {
  readonly find: RegExp;
  readonly put: string;
}

/** The edits of each plant of this kind; every one of them must find something. */
export const SCRIPT_EDITS: Partial<Record<PlantName, readonly Edit[]>> = {
  "no-fence": [
    { find: /^.*m\[1\] ~= ARGV\[2\] then return ENDED.*$/m, put: "" },
    { find: /^.*sequence ~= tonumber\(ARGV\[3\]\) then return 'sequence'.*$/m, put: "" },
    { find: /^if m\[1\] ~= ARGV\[2\] or m\[2\] ~= 'pending' or .* or not m\[4\]/m, put: "if not m[4]" },
  ],
  "no-epoch": [
    { find: /^.*m\[1\] ~= ARGV\[2\] then return ENDED.*$/m, put: "" },
    { find: /^if m\[1\] ~= ARGV\[2\] or m\[2\]/m, put: "if m[2]" },
  ],
  "same-epoch": [{
    find: /tostring\(redis\.call\('HINCRBY', meta, 'epoch', 1\)\)/,
    put: "redis.call('HGET', meta, 'epoch')",
  }],
  // More than once each, and so for others: by several appends, by one, and by the single write.
  "log-for-ever": [
    { find: /redis\.call\('EXPIRE', KEYS\[2\], historyTtl\)/, put: "" },
    { find: /redis\.call\('EXPIRE', KEYS\[2\], ARGV\[8\]\)/, put: "" },
  ],
  "meta-for-ever": [
    { find: /redis\.call\('EXPIRE', KEYS\[1\], historyTtl\)/, put: "" },
    { find: /redis\.call\('EXPIRE', KEYS\[1\], ARGV\[8\]\)/, put: "" },
  ],
  "result-for-ever": [
    { find: /('SET', KEYS\[5\], ARGV\[7\]), 'EX', resultTtl/, put: "$1" },
    { find: /('SET', KEYS\[4\], ARGV\[6\]), 'EX', resultTtl/, put: "$1" },
    { find: /('SET', KEYS\[4\], ARGV\[6\]), 'EX', ARGV\[7\]/, put: "$1" },
  ],
  "key-for-ever": [
    { find: /redis\.call\('EXPIRE', KEYS\[7\], ARGV\[20\]\)/, put: "" },
    { find: /redis\.call\('EXPIRE', KEYS\[7\], ARGV\[13\]\)/, put: "" },
  ],
  "key-not-kept": [{ find: /redis\.call\('HSET', KEYS\[7\], 'execution', .*\)/, put: "" }],
  "inbox-for-ever": [
    { find: /if redis\.call\('PEXPIRE', KEYS\[1\], ARGV\[1\]\) == 1/, put: "if redis.call('EXISTS', KEYS[1]) == 1" },
    { find: /^redis\.call\('PEXPIRE', KEYS\[1\], ARGV\[1\]\)$/m, put: "" },
  ],
  "stealing-renewal": [{ find: /if owner == ARGV\[2\] then/, put: "if owner then" }],
  "no-renewal": [{
    find: /(if owner == ARGV\[2\] then\n).*XCLAIM.*\n/,
    put: "$1    local nothing\n",
  }],
  "hasty-takeover": [{ find: /('XAUTOCLAIM', KEYS\[1\], ARGV\[1\], ARGV\[2\], )ARGV\[3\]/, put: "$1ARGV[3] / 5" }],
  "timer-kept": [{ find: /(for _, member in ipairs\(due\) do\n).*ZREM.*\n/, put: "$1" }],
  "timer-of-cancelled": [{
    find:
      /if entry == '' or entry == LOCAL then redis\.call\('ZREM', ARGV\[8\] \.\. 'timers', ARGV\[1\]\) else (.*) end/,
    put: "if entry ~= '' and entry ~= LOCAL then $1 end",
  }],
  "no-parked-deadline": [{
    find: /math\.min\(clock\(\) \+ ARGV\[7\], tonumber\(more\('deadline'\)\)\)/,
    put: "clock() + ARGV[7]",
  }],
  "slot-kept": [{ find: /redis\.call\('ZREM', base \.\. 'slots:' \.\. group, id\)/, put: "" }],
  "no-queue-limit": [{ find: /^ +if length >= .* then return \{'full', length\} end$/m, put: "" }],
  "request-twice": [
    { find: /^if known\[1\] then$/m, put: "if false then" },
    { find: /^if again and redis\.call\('EXISTS', KEYS\[1\]\) == 1 then/m, put: "if false then" },
  ],
  "local-no-renewal": [{ find: /redis\.call\('ZADD', KEYS\[2\], till, ARGV\[i\]\)/, put: "local nothing" }],
  "local-never-moved": [{ find: /\(m\[2\] == '' or m\[2\] == LOCAL\)/, put: "m[2] == ''" }],
  "local-same-epoch": [{
    find: /'epoch', redis\.call\('HINCRBY', meta, 'epoch', 1\)\}/,
    put: "'epoch', redis.call('HGET', meta, 'epoch')}",
  }],
  "local-uncounted": [{ find: /redis\.call\('HINCRBY', meta, 'deliveries', 1\)/, put: "local nothing" }],
  "record-key-unchecked": [{
    find: /^if fingerprint ~= '' then\n {2}local record/m,
    put: "if false then\n  local record",
  }],
  "requeue-forgets-reply": [{ find: /^.*if m\[6\] ~= '' then words\[#words \+ 1\] = 'replyTo'.*$/m, put: "" }],
  "early-reply-lost": [{
    find: /if ARGV\[5\] == 'early' or .* then redis\.call\('HSET', KEYS\[1\], 'reply'.*end/,
    put: "",
  }],
  "deliveries-uncounted": [{ find: /^.*then deliveries = deliveries \+ 1 end$/m, put: "" }],
  "deliveries-kept": [{ find: /redis\.call\('HDEL', KEYS\[1\], 'deliveries'.*?\)/, put: "local nothing" }],
  "pause-forgotten": [{ find: /m\[4\] or '', (tostring\(deliveries\))/, put: "'', $1" }],
  "local-timers": [{
    find: /(-- KEYS {2}1 timers\n[^]*?)local now = clock\(\)/,
    put: "$1local now = tonumber(ARGV[3])",
  }],
};
