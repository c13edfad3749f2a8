/**
 * An object that is another one but for some of its members.
 *
 * @example
 * ```ts
 * const log = overlay(store.log, { meta: (id) => cache.get(id) });
 * ```
 */

/** What `target` is and does, with the members of `own` instead of its own; it is not changed. */
export function overlay<T extends object>(target: T, own: Partial<T>): T {
  return new Proxy(target, {
    get(_target, name) {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      const value = Reflect.get(target, name);
      // Methods with private parts know the object that they were made in only.
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
