/** A map that keeps the entries that were set last, so that a server that runs for months does not fill up. */
export class RecentMap<Key, Value> extends Map<Key, Value> {
  readonly #most: number;

  /** `most` entries are kept. */
  constructor(most: number) {
    super();
    this.#most = most;
  }

  override set(key: Key, value: Value): this {
    this.delete(key);
    super.set(key, value);
    if (this.size > this.#most) {
      const { value: oldest } = this.keys().next();
      this.delete(oldest as Key);
    }
    return this;
  }
}
