/** An object that is still being made: what its type has once it is made, but not read-only yet. */
export type Mutable<T> = { -readonly [Member in keyof T]: T[Member] };
