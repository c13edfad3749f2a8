/**
 * A map for members that come and go by the thousand each second.
 *
 * Whenever a `Map` outgrows its table or tidies it up, V8 leaves the table behind, with all that it held and with a
 * pointer to the next one. Once one such table is old, nothing that any later one held is freed before the next full
 * collection: each young collection copies it all instead. What stays in those tables here is a box for each member, which
 * is emptied as the member leaves.
 *
 * @example
 * ```ts
 * const calls = new FleetingMap<string, Call>();
 * calls.set(id, call);
 * calls.delete(id);
 * ```
 */
export class FleetingMap<K, V extends object> {
  readonly #boxes = new Map<K, { value: V | undefined }>();

  get size(): number {
    return this.#boxes.size;
  }

  has(key: K): boolean {
    return this.#boxes.has(key);
  }

  get(key: K): V | undefined {
    return this.#boxes.get(key)?.value;
  }

  set(key: K, value: V): void {
    const box = this.#boxes.get(key);
    if (box === undefined) this.#boxes.set(key, { value });
    else box.value = value;
  }

  /** True when there was such a member. */
  delete(key: K): boolean {
    const box = this.#boxes.get(key);
    if (box === undefined) return false;
    box.value = undefined;
    return this.#boxes.delete(key);
  }

  clear(): void {
    for (const box of this.#boxes.values()) box.value = undefined;
    this.#boxes.clear();
  }

  keys(): IterableIterator<K> {
    return this.#boxes.keys();
  }

  /** Those that were added first come first; it may change meanwhile. */
  *values(): Generator<V, void> {
    for (const { value } of this.#boxes.values()) if (value !== undefined) yield value;
  }

  *[Symbol.iterator](): Generator<[K, V], void> {
    for (const [key, { value }] of this.#boxes) if (value !== undefined) yield [key, value];
  }
}
