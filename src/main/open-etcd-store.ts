import { UserError } from '../lib/errors.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'
import type { Store } from '../store/store.ts'

/** What is asked for to see whether a store answers; no such key is needed. */
const PROBE_KEY = '/calico/ready'

/**
 * A client of whatever speaks etcd's protocol there: "unix:/run/x.sock", or the URLs of an etcd
 * cluster, separated by commas, as in ETCD_ENDPOINTS. Connects when first used, and again for ever.
 *
 * Throws UserError on an address that cannot be used.
 */
export async function etcdStore(address: string, log: Log = silentLog): Promise<Store> {
  const endpoints = address.split(',').map((endpoint) => endpoint.trim())
  for (const endpoint of endpoints) checkEndpoint(endpoint)
  const { EtcdStore } = await import('../platform/etcd/client.ts')
  return new EtcdStore({ endpoints, clock: systemClock, random: systemRandom, log })
}

/** The same once it has answered. Throws StoreUnavailable if nobody does. */
export async function openEtcdStore(address: string, log: Log = silentLog): Promise<Store> {
  const store = await etcdStore(address, log)
  try {
    await store.get(PROBE_KEY)
    return store
  } catch (thrown) {
    store.close()
    throw thrown
  }
}

const ENDPOINT =
  /^(unix:\/.+|(http:\/\/)?[^:/\s]+:\d{1,5}\/?|(http:\/\/)?\[[0-9a-fA-F:]+\]:\d{1,5}\/?)$/

function checkEndpoint(endpoint: string): void {
  if (endpoint.startsWith('https:')) {
    throw new UserError(`etcd endpoint '${endpoint}': TLS is not supported yet; expected http://`)
  }
  if (!ENDPOINT.test(endpoint)) {
    throw new UserError(
      `etcd endpoint '${endpoint}' cannot be used: expected http://address:port or unix:/path`,
    )
  }
}
