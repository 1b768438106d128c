import type { Collection } from './collection.ts';
import type { StorageBackend } from './contract.ts';

/** Knows the storage backends and which of them keeps each collection. */
export class StorageRegistry {
  readonly #backends = new Map<string, StorageBackend>();
  readonly #routes = new Map<string, { collection: Collection; backend: StorageBackend }>();

  /** Adds a backend under a name of the configuration. */
  register(name: string, backend: StorageBackend): void {
    if (this.#backends.has(name)) throw new Error(`Storage backend "${name}" is registered twice.`);
    this.#backends.set(name, backend);
  }

  /** Sends a collection's records to a registered backend; parents first, and to the same one. */
  route(collection: Collection, backendName: string): void {
    const backend = this.#backends.get(backendName);
    if (backend === undefined) {
      throw new Error(
        `Collection "${collection.name}" is routed to "${backendName}", which is not registered.`,
      );
    }
    this.#routes.set(collection.name, { collection, backend });
  }

  /** The collections in the order they were routed: parents before what belongs to them. */
  get collections(): Collection[] {
    return [...this.#routes.values()].map(({ collection }) => collection);
  }

  /** The collections whose records belong to records of this one. */
  dependentsOf({ name }: Collection): Collection[] {
    return this.collections.filter(({ parent }) => parent?.collection === name);
  }

  get backends(): ReadonlyMap<string, StorageBackend> {
    return this.#backends;
  }

  collection(name: string): Collection | undefined {
    return this.#routes.get(name)?.collection;
  }

  backendOf(collection: Collection): StorageBackend {
    const route = this.#routes.get(collection.name);
    if (route === undefined)
      throw new Error(`Collection "${collection.name}" is routed to no storage backend.`);
    return route.backend;
  }
}
