import type { Store } from '../store/store.ts'

/** A client of whatever speaks etcd's protocol at this address. */
export function openEtcdStore(address: string): Promise<Store> {
  return Promise.reject(new Error(`no client for ${address} in this build`))
}
