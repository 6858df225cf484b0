// The peer's capabilities that we hold. Each is released when nobody here holds it any more: by hand, or when the
// garbage collector finds out.

import type { Call, Struct } from "capnp-es";
import { type Answer, type VatClient, Failed } from "./answer.ts";
import { RpcError } from "./errors.ts";
import { StreamWindow } from "./stream-window.ts";
import type { Vat } from "./vat.ts";

export class Import implements VatClient {
  readonly vat: Vat;
  readonly id: number;
  readonly #window = new StreamWindow();
  #released = false;

  constructor(vat: Vat, id: number) {
    this.vat = vat;
    this.id = id;
  }
  get released(): boolean {
    return this.#released;
  }
  call<P extends Struct, R extends Struct>(call: Call<P, R>): Answer<R> {
    if (this.#released) return new Failed(new RpcError("failed", "call on a capability that was released"));
    return this.vat.sendCall(call, (target) => {
      target.importedCap = this.id;
    }, this.#window);
  }
  close(): void {
    if (this.#released) return;
    this.#released = true;
    this.vat.imports.released(this);
  }
}

/** What the table keeps does not keep the import alive. */
interface Entry {
  /** How often the peer has sent it; as often it must be released. */
  references: number;
  holder: WeakRef<Import>;
}

export class ImportTable {
  readonly #vat: Vat;
  readonly #entries = new Map<number, Entry>();
  readonly #collected = new FinalizationRegistry<number>((id) => {
    // Unless the peer has sent the same capability again since.
    if (!this.#entries.get(id)?.holder.deref()) this.#release(id);
  });

  constructor(vat: Vat) {
    this.#vat = vat;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The peer has sent this capability of its. */
  add(id: number): Import {
    const entry = this.#entries.get(id);
    const known = entry?.holder.deref();
    if (entry) entry.references++;
    if (known) return known;
    const fresh = new Import(this.#vat, id);
    this.#collected.register(fresh, id, fresh);
    const holder = new WeakRef(fresh);
    if (entry) entry.holder = holder;
    else this.#entries.set(id, { references: 1, holder });
    return fresh;
  }

  /** Its holder has let go of it. */
  released(client: Import): void {
    this.#collected.unregister(client);
    if (this.#entries.get(client.id)?.holder.deref() === client) this.#release(client.id);
  }

  clear(): void {
    this.#entries.clear();
  }

  #release(id: number): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#vat.sendRelease(id, entry.references);
  }
}
