import type { Collection, GivenRecord } from '../storage/collection.ts';
import { keyOf } from '../storage/collection.ts';

/** Which of many records belong to a record, without a look at all of them. */
export class Kinship {
  readonly #keysOfChildren = new Map<string, Set<string>>();

  add(collection: Collection, record: GivenRecord): void {
    const family = familyOf(collection, record);
    if (family === undefined) return;
    const keys = this.#keysOfChildren.get(family);
    if (keys === undefined) this.#keysOfChildren.set(family, new Set([keyOf(collection, record)]));
    else keys.add(keyOf(collection, record));
  }

  delete(collection: Collection, record: GivenRecord): void {
    const family = familyOf(collection, record) ?? '';
    const keys = this.#keysOfChildren.get(family);
    keys?.delete(keyOf(collection, record));
    if (keys?.size === 0) this.#keysOfChildren.delete(family);
  }

  /** The keys of a collection's records that belong to the record with this key. */
  childrenOf(parentKey: string, { name }: Collection): Iterable<string> {
    return this.#keysOfChildren.get(`${name}/${parentKey}`) ?? [];
  }
}

function familyOf({ name, parent }: Collection, record: GivenRecord): string | undefined {
  return parent === undefined ? undefined : `${name}/${record[parent.field]}`;
}
