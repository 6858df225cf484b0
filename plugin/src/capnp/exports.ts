// Our capabilities that the peer holds, with the number of times that we have sent each.

import type { Client } from "capnp-es";
import { RpcError } from "./errors.ts";

interface Entry {
  readonly client: Client;
  references: number;
}

export class ExportTable {
  readonly #entries = new Map<number, Entry>();
  readonly #ids = new Map<Client, number>();
  readonly #free: number[] = [];
  #next = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** The id under which this capability is sent once more. */
  add(client: Client): number {
    const known = this.#ids.get(client);
    const entry = known === undefined ? undefined : this.#entries.get(known);
    if (known !== undefined && entry) {
      entry.references++;
      return known;
    }
    const id = this.#free.pop() ?? this.#next++;
    this.#entries.set(id, { client, references: 1 });
    this.#ids.set(client, id);
    return id;
  }

  get(id: number): Client {
    const entry = this.#entries.get(id);
    if (!entry) throw new RpcError("failed", `the peer named a capability that it does not hold (${id})`);
    return entry.client;
  }

  /** The peer has let go of so many references. */
  release(id: number, references: number): void {
    const entry = this.#entries.get(id);
    if (!entry || references > entry.references) {
      throw new RpcError("failed", `the peer released a capability more often than it has got it (${id})`);
    }
    entry.references -= references;
    if (entry.references > 0) return;
    this.#entries.delete(id);
    this.#ids.delete(entry.client);
    this.#free.push(id);
  }

  clear(): void {
    this.#entries.clear();
    this.#ids.clear();
  }
}
