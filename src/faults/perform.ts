import { isKernelError, type Kernel } from '../kernel/kernel.ts'
import type { AddressEffect, Effect, RegisteredPod } from './effect.ts'
import { createdPair, createdTunnel, settingsOf, tunnelSpec } from './created-link.ts'
import { indexedRoute, indexOf, namedRoute } from './named-route.ts'
import { lostOf, pictureOf } from './picture.ts'

/** What effects reach. */
export interface World {
  /** A network namespace by the name that effects call it. */
  kernel(namespace: string): Kernel
  /** Corrupts what leaves by a link; absent where no cable can be told to. */
  corrupt?(namespace: string, link: string, isOn: boolean): void
  registerPod(pod: RegisteredPod): void
  unregisterPod(pod: string): void
}

type Performers = {
  readonly [Kind in Effect['do']]: (
    effect: Extract<Effect, { do: Kind }>,
    kernel: Kernel,
    world: World,
  ) => readonly Effect[]
}

/**
 * Carries an effect out and answers what undoes it: the inverse first, then the addresses and routes
 * that the kernel took away with it. Errors: KernelError.
 */
export function perform(effect: Effect, world: World): readonly Effect[] {
  const namespaces =
    effect.do === 'delete-link' && effect.peer !== undefined
      ? [effect.in, effect.peer.in]
      : [effect.in]
  const before = namespaces.map((name) => pictureOf(name, world.kernel(name)))
  const performer = PERFORMERS[effect.do] as Performers['sysctl']
  const inverse = performer(effect as never, world.kernel(effect.in), world)
  return [...inverse, ...before.flatMap((picture) => lostOf(picture, world.kernel(picture.name)))]
}

/** Undoes what {@link perform} answered. What somebody has mended in the meantime is left as it is. */
export function undo(effects: readonly Effect[], world: World): void {
  for (const effect of effects) {
    try {
      perform(effect, world)
    } catch (thrown) {
      if (!isKernelError(thrown, ...ALREADY_SO)) throw thrown
    }
  }
}

const ALREADY_SO = ['EEXIST', 'ESRCH', 'ENOENT', 'EADDRNOTAVAIL', 'ENODEV']

const PERFORMERS: Performers = {
  sysctl(effect, kernel) {
    const value = kernel.readSysctl(effect.path).trim()
    kernel.writeSysctl(effect.path, effect.value)
    return [{ ...effect, value }]
  },
  link(effect, kernel) {
    const { up, mtu, name } = kernel.link(effect.link) ?? { up: false, mtu: 0, name: effect.link }
    const { change } = effect
    kernel.changeLink(indexOf(kernel, effect.link), change)
    const inverse = {
      ...(change.name === undefined ? {} : { name }),
      ...(change.mtu === undefined ? {} : { mtu }),
      ...(change.up === undefined ? {} : { up }),
    }
    return [{ ...effect, link: change.name ?? effect.link, change: inverse }]
  },
  'delete-link'({ in: namespace, link: name, peer }, kernel, world) {
    const index = indexOf(kernel, name)
    const link = kernel.link(name)!
    const other = peer && world.kernel(peer.in).link(peer.link)
    const settings = settingsOf(namespace, name, kernel)
    const created =
      peer === undefined || other === undefined
        ? [createdTunnel(namespace, link, kernel)]
        : [...createdPair(namespace, link, peer, other)]
    kernel.deleteLink(index)
    const change = { up: true }
    const up = [{ do: 'link', in: namespace, link: name, change } as const]
    return [...created, ...settings, ...up]
  },
  'create-pair'(effect, kernel, world) {
    const { link: name, mac: macAddress, peer } = effect
    const other = { name: peer.link, macAddress: peer.mac, kernel: world.kernel(peer.in) }
    kernel.createLink({ kind: 'veth', name, macAddress, peer: other })
    return [{ do: 'delete-link', in: effect.in, link: name, peer }]
  },
  'create-tunnel'(effect, kernel) {
    if (kernel.link(effect.link) === undefined) kernel.createLink(tunnelSpec(effect, kernel))
    return [{ do: 'delete-link', in: effect.in, link: effect.link }]
  },
  'add-address'(effect, kernel) {
    kernel.addAddress(addressOf(effect, kernel))
    return [{ ...effect, do: 'delete-address' }]
  },
  'delete-address'(effect, kernel) {
    kernel.deleteAddress(addressOf(effect, kernel))
    return [{ ...effect, do: 'add-address' }]
  },
  'add-route'(effect, kernel) {
    kernel.addRoute(indexedRoute(kernel, effect.route))
    return [{ ...effect, do: 'delete-route' }]
  },
  'replace-route'(effect, kernel) {
    const { destination, table, priority } = effect.route
    const old = kernel
      .routes({ table })
      .find((each) => each.destination === destination && each.priority === priority)
    const route = old && namedRoute(kernel, old)
    kernel.replaceRoute(indexedRoute(kernel, effect.route))
    return [route === undefined ? { ...effect, do: 'delete-route' } : { ...effect, route }]
  },
  'delete-route'(effect, kernel) {
    kernel.deleteRoute(indexedRoute(kernel, effect.route))
    return [{ ...effect, do: 'add-route' }]
  },
  neighbor(effect, kernel) {
    const { address, mac: macAddress } = effect
    const linkIndex = indexOf(kernel, effect.link)
    const old = kernel
      .neighbors()
      .find((each) => each.linkIndex === linkIndex && each.address === address)
    if (macAddress === undefined) kernel.deleteNeighbor({ linkIndex, address })
    else kernel.setNeighbor({ linkIndex, address, macAddress, state: 'permanent' })
    const { mac: _, ...key } = effect
    const isWritten = old?.state === 'permanent' && old.macAddress !== undefined
    return [isWritten ? { ...key, mac: old.macAddress } : key]
  },
  forwarding(effect, kernel) {
    const { mac: macAddress, remote } = effect
    const linkIndex = indexOf(kernel, effect.link)
    const old = kernel
      .forwardingEntries(linkIndex)
      .find((each) => each.macAddress === macAddress)?.remoteAddress
    if (remote === undefined) kernel.deleteForwardingEntry({ linkIndex, macAddress })
    else kernel.setForwardingEntry({ linkIndex, macAddress, remoteAddress: remote })
    const { remote: _, ...key } = effect
    return [old === undefined ? key : { ...key, remote: old }]
  },
  filter(effect, kernel) {
    kernel.keepPacketFilter(effect.table)
    return [{ do: 'delete-filter', in: effect.in, name: effect.table.name }]
  },
  'delete-filter'(effect, kernel) {
    kernel.deletePacketFilter(effect.name)
    return []
  },
  corrupt(effect, _, world) {
    world.corrupt?.(effect.in, effect.link, effect.isOn)
    return [{ ...effect, isOn: !effect.isOn }]
  },
  'register-pod'({ pod, node, address, in: namespace }, _, world) {
    world.registerPod({ pod, node, address })
    return [{ do: 'unregister-pod', in: namespace, pod }]
  },
  'unregister-pod'(effect, _, world) {
    world.unregisterPod(effect.pod)
    return []
  },
}

function addressOf({ link, address, prefixLength, scope }: AddressEffect, kernel: Kernel) {
  return { linkIndex: indexOf(kernel, link), address, prefixLength, scope }
}
