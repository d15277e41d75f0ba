import { type Log, silentLog } from '../lib/log.ts'
import { EtcdStore } from '../platform/etcd/client.ts'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'
import type { Store } from '../store/store.ts'

/**
 * A client of whatever speaks etcd's protocol at this address: unix:PATH, or endpoints with commas
 * between. Connects when first used, and again for ever.
 */
export function etcdStore(address: string, log: Log = silentLog): Store {
  const endpoints = address.split(',')
  return new EtcdStore({ endpoints, clock: systemClock, random: systemRandom, log })
}

/** The same, once it has answered. Errors: StoreUnavailable. */
export async function openEtcdStore(address: string): Promise<Store> {
  const store = etcdStore(address)
  try {
    await store.get('/calico/')
    return store
  } catch (thrown) {
    store.close()
    throw thrown
  }
}
