import { type Kernel, type Route, ROUTE_PROTOCOL } from '../../src/kernel/kernel.ts'
import { ip } from '../../src/net/ip-address.ts'
import { isHostPrefix, prefixAddress } from '../../src/net/prefix.ts'
import { HANDLE_PREFIX } from '../../src/model/ipam-keys.ts'
import type { Operation, Store, Transaction } from '../../src/store/store.ts'
import type { Sabotage } from './sabotage.ts'

/** A mistake on purpose, and the breach by which it must be found. */
export interface Mutant {
  readonly mistake: string
  readonly found: RegExp
  readonly sabotage: Sabotage
}

const ADDRESS = String.raw`10\.211\.0\.\d+`

/** At least one for each invariant: what cannot be broken is not watched. */
export const MUTANTS: readonly Mutant[] = [
  {
    mistake: 'a block is written without looking whether somebody else wrote it meanwhile',
    found: new RegExp(`${ADDRESS} was given to p\\d+ on n\\d+ and to p\\d+ on n\\d+`),
    sabotage: { store: (store) => changing(store, (each) => ({ ...each, compare: [] })) },
  },
  {
    mistake: 'next hops are mixed up, so that nodes send by each other',
    found: new RegExp(`a packet from n\\d+ to ${ADDRESS} runs in a loop: n\\d+ > n\\d+`),
    sabotage: {
      kernel: (kernel) => writing(kernel, (route) => detour(kernel, route)),
    },
  },
  {
    mistake: 'a pod’s address is given to its host as well',
    found: new RegExp(`to ${ADDRESS}, which p\\d+ on n\\d+ has, ends in n\\d+`),
    sabotage: {
      kernel: (kernel, host) => ({
        addAddress(address) {
          kernel.addAddress(address)
          if (kernel.name.startsWith('p')) host.addAddress({ ...address, linkIndex: 1 })
        },
      }),
    },
  },
  {
    mistake: 'the newest pod of a node takes over the addresses of the others',
    found: new RegExp(`to ${ADDRESS}, which p\\d+ on n\\d+ has, ends in p\\d+`),
    sabotage: {
      kernel: (kernel, host) => ({
        addAddress(address) {
          kernel.addAddress(address)
          for (const { destination } of podRoutes(host)) {
            kernel.addAddress({ ...address, address: prefixAddress(destination) })
          }
        },
        ...writing(kernel, (route) => route, giveAllToNewest),
      }),
    },
  },
  {
    mistake: 'routes to blocks are never removed',
    found: /which n\d+ has no more, still leads from/,
    sabotage: {
      kernel: () => ({ deleteRoute() {} }),
    },
  },
  {
    mistake: 'a block has no blackhole',
    found: /free in .* of n\d+, leads from n\d+ to/,
    sabotage: {
      kernel: (kernel) =>
        writing(kernel, (route) => (route.type === 'blackhole' ? undefined : route)),
    },
  },
  {
    mistake: 'no route to blocks of the other network',
    found: /is not reached from n\d+/,
    sabotage: {
      kernel: (kernel) =>
        writing(kernel, (route) => (route.nextHops[0]?.onlink === true ? undefined : route)),
    },
  },
  {
    mistake: 'no pod gets a default route',
    found: /no answer: p\d+ > p\d+/,
    sabotage: {
      kernel: (kernel) =>
        writing(kernel, (route) => (route.destination === '0.0.0.0/0' ? undefined : route)),
    },
  },
  {
    mistake: 'a pod’s interface cannot be made where one was before',
    found: /pod p\d+ on n\d+ is still adding/,
    sabotage: {
      kernel: (kernel) => ({
        createLink(spec) {
          if (kernel.links().some(({ name }) => name.startsWith('cali'))) {
            throw new Error('the second pod of a node is refused')
          }
          return kernel.createLink(spec)
        },
      }),
    },
  },
  {
    mistake: 'the memory of a pod outlives it',
    found: /the runtimes have \d+ pods, the agents \d+ attachments/,
    sabotage: {
      attachments: (attachments) => ({
        list: () => attachments.list(),
        put: (row) => attachments.put(row),
        delete() {},
        assertWritable: () => attachments.assertWritable(),
      }),
    },
  },
  {
    mistake: 'DEL gives no address back',
    found: new RegExp(`${ADDRESS} is given out to .*"pod":"p\\d+".*, and nobody uses it`),
    sabotage: {
      store: (store) =>
        changing(store, (each) => (each.success.some(deletesHandle) ? undefined : each)),
    },
  },
  {
    mistake: 'the address of a pod is used without having been written down',
    found: new RegExp(`uses ${ADDRESS}, which is given to nobody`),
    sabotage: {
      store: (store) =>
        changing(store, (each) => (each.success.some(givesToFirstPod) ? undefined : each)),
    },
  },
  {
    mistake: 'an agent that starts does not look at the routes that are there',
    found: /route .* set after a restart of n\d+/,
    sabotage: {
      kernel: (kernel) => ({
        routes: () => [],
        addRoute: (route) => kernel.replaceRoute(route),
      }),
    },
  },
]

/** A store that carries out other transactions than it is asked for; undefined: none, and it says that it did. */
function changing(store: Store, change: (asked: Transaction) => Transaction | undefined): Store {
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    async transact(asked) {
      const transaction = change(asked)
      if (transaction !== undefined) return await store.transact(transaction)
      const { revision } = await store.get('/')
      return { succeeded: true, revision, rows: [] }
    },
    watch: (prefix, fromRevision, handlers) => store.watch(prefix, fromRevision, handlers),
    close: () => store.close(),
  }
}

/** Routes are written as `change` makes them, or not at all, in whichever way they are written. */
function writing(
  kernel: Kernel,
  change: (route: Route) => Route | undefined,
  after: (kernel: Kernel) => void = () => {},
): Partial<Kernel> {
  const changed = (route: Route, write: (route: Route) => void): void => {
    const other = change(route)
    if (other !== undefined) write(other)
    after(kernel)
  }
  return {
    addRoute: (route) => changed(route, (other) => kernel.addRoute(other)),
    replaceRoute: (route) => changed(route, (other) => kernel.replaceRoute(other)),
    swapRoute: (old, route) => changed(route, (other) => kernel.swapRoute(old, other)),
  }
}

function giveAllToNewest(kernel: Kernel): void {
  const newest = kernel.links().findLast(({ name }) => name.startsWith('cali'))
  if (newest === undefined) return
  for (const each of podRoutes(kernel)) {
    kernel.replaceRoute({ ...each, nextHops: [{ linkIndex: newest.index }] })
  }
}

function podRoutes(host: Kernel): readonly Route[] {
  return host
    .routes({ protocol: ROUTE_PROTOCOL.boot })
    .filter(({ destination }) => isHostPrefix(destination))
}

function givesToFirstPod(operation: Operation): boolean {
  return (
    'put' in operation &&
    operation.value.includes('"pod":"p0"') &&
    operation.put.includes('/block/')
  )
}

function deletesHandle(operation: Operation): boolean {
  return 'delete' in operation && operation.delete.startsWith(HANDLE_PREFIX)
}

/** The first two nodes send to blocks of others in their network by each other. */
function detour(kernel: Kernel, route: Route): Route {
  const [hop] = route.nextHops
  const other = [ip('172.16.170.128'), ip('172.16.170.129')].find(
    (each) => !kernel.addresses().some(({ address }) => address === each),
  )
  const isMixedUp =
    other !== undefined &&
    PAIR.has(kernel.name) &&
    hop?.gateway?.startsWith('172.16.170.') === true &&
    hop.gateway !== other
  return isMixedUp ? { ...route, nextHops: [{ ...hop, gateway: other }] } : route
}

const PAIR: ReadonlySet<string> = new Set(['n0', 'n1'])
