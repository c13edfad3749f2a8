/**
 * A queue in which owners take turns, however many items each of them has.
 *
 * Invariant: an owner is in `#owners` exactly once while it has items, the one whose turn is next first.
 */

/** Items by owner. */
export class FairQueue<T> {
  readonly #owners = new Map<string, Set<T>>();
  #size = 0;

  /** Number of items. */
  get size(): number {
    return this.#size;
  }

  /** Adds an item behind those of its owner; an item can be in it once. */
  push(owner: string, item: T): void {
    const items = this.#owners.get(owner);
    if (items === undefined) this.#owners.set(owner, new Set([item]));
    else items.add(item);
    this.#size++;
  }

  /** Takes the first item of the owner whose turn it is. */
  shift(): T | undefined {
    for (const [owner, items] of this.#owners) {
      for (const item of items) {
        this.delete(owner, item);
        // The owner goes behind all others.
        if (items.size > 0 && this.#owners.delete(owner)) this.#owners.set(owner, items);
        return item;
      }
    }
    return undefined;
  }

  /** Removes an item; false if it is not in the queue. */
  delete(owner: string, item: T): boolean {
    const items = this.#owners.get(owner);
    if (!items?.delete(item)) return false;
    if (items.size === 0) this.#owners.delete(owner);
    this.#size--;
    return true;
  }
}
