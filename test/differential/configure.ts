import { type Family, ip } from '../../src/net/ip-address.ts'
import { mac } from '../../src/net/mac-address.ts'
import { parseInterfaceAddress, prefix } from '../../src/net/prefix.ts'
import { isKernelError, type Kernel, type Route } from '../../src/kernel/kernel.ts'
import { VXLAN_LINK } from '../../src/routes/ownership.ts'
import { PORT as VXLAN_PORT } from '../../src/wire/packet/vxlan.ts'
import type { Stage } from './perform.ts'
import type { Scenario, Step, StepRoute, VxlanStep } from './scenario.ts'

/** Makes nodes, sysctls, bridges and cables. */
export function build(scenario: Scenario, stage: Stage, kernels: Map<string, Kernel>): void {
  for (const { name, sysctls, bridges } of scenario.nodes) {
    const kernel = stage.machine.createNamespace(`${stage.prefix}${name}`)
    kernels.set(name, kernel)
    stage.prepare?.(kernel)
    for (const [path, value] of sysctls) kernel.writeSysctl(path, value)
    kernel.changeLink(kernel.link('lo')!.index, { up: true })
    for (const bridge of bridges) {
      const { index } = kernel.createLink({ kind: 'bridge', name: bridge })
      kernel.changeLink(index, { up: true })
    }
  }
  for (const { near, far, mtu } of scenario.cables) {
    const kernel = kernels.get(near.node)!
    const other = kernels.get(far.node)!
    kernel.createLink({
      kind: 'veth',
      name: near.link,
      mtu,
      ...(near.mac === undefined ? {} : { macAddress: mac(near.mac) }),
      peer: {
        name: far.link,
        kernel: other,
        ...(far.mac === undefined ? {} : { macAddress: mac(far.mac) }),
      },
    })
    for (const [end, owner] of [
      [near, kernel],
      [far, other],
    ] as const) {
      const { index } = owner.link(end.link)!
      for (const family of [`ipv${scenario.family}`, 'ipv4']) {
        owner.writeSysctl(`${family}.neigh.${end.link}.retrans_time_ms`, '20')
        owner.writeSysctl(`${family}.neigh.${end.link}.proxy_delay`, '0')
      }
      if (end.bridge !== undefined) {
        owner.changeLink(index, { masterIndex: owner.link(end.bridge)!.index })
      }
      if (end.up) owner.changeLink(index, { up: true })
    }
    if (near.up && far.up) {
      // Opened before its peer, a real link waits for a work queue, up to a second, before it sends
      // (dev_activate); opened again now, it sends at once.
      const { index } = kernel.link(near.link)!
      kernel.changeLink(index, { up: false })
      kernel.changeLink(index, { up: true })
    }
  }
}

/** "ok" or the errno of the kernel's refusal. */
export function attempt(act: () => void): string {
  try {
    act()
    return 'ok'
  } catch (thrown) {
    if (isKernelError(thrown)) return thrown.code
    throw thrown
  }
}

/** Takes one step. Errors: the kernel's. */
export function apply(kernel: Kernel, step: Step, family: Family, stage: Stage): void {
  switch (step.do) {
    case 'address':
    case 'unaddress': {
      const parsed = parseInterfaceAddress(step.address)!
      const address = { ...parsed, linkIndex: indexOf(kernel, step.link), scope: 'global' } as const
      if (step.do === 'address') kernel.addAddress(address)
      else kernel.deleteAddress(address)
      break
    }
    case 'route':
      kernel.addRoute(routeOf(kernel, step.route))
      break
    case 'replace':
      kernel.replaceRoute(routeOf(kernel, step.route))
      break
    case 'unroute':
      kernel.deleteRoute(routeOf(kernel, step.route))
      break
    case 'rule':
      kernel.addRule({
        family,
        priority: step.priority,
        table: step.table,
        ...(step.source === undefined ? {} : { source: prefix(step.source) }),
        ...(step.inputLink === undefined ? {} : { inputLink: step.inputLink }),
      })
      break
    case 'sysctl':
      kernel.writeSysctl(step.path, step.value)
      break
    case 'link':
      kernel.changeLink(indexOf(kernel, step.link), {
        ...(step.up === undefined ? {} : { up: step.up }),
        ...(step.mtu === undefined ? {} : { mtu: step.mtu }),
      })
      break
    case 'neighbor':
      kernel.setNeighbor({
        linkIndex: indexOf(kernel, step.link),
        address: ip(step.address),
        macAddress: mac(step.mac),
        state: 'permanent',
      })
      break
    case 'vxlan':
      makeVxlan(kernel, step)
      break
    case 'forward': {
      const row = { linkIndex: indexOf(kernel, step.link), macAddress: mac(step.mac) }
      if (step.remote === undefined) kernel.deleteForwardingEntry(row)
      else kernel.setForwardingEntry({ ...row, remoteAddress: ip(step.remote) })
      break
    }
    case 'ipip':
      stage.makeTunnel(kernel, step)
      break
    case 'remove':
      kernel.deleteLink(indexOf(kernel, step.link))
      break
  }
}

/** As the agent makes it; see src/agent/tunnel/vxlan-device.ts. */
function makeVxlan(kernel: Kernel, step: VxlanStep): void {
  const { parent, local, vni, mtu } = step
  kernel.createLink({
    kind: 'vxlan',
    name: VXLAN_LINK,
    macAddress: mac(step.mac),
    ...(mtu === undefined ? {} : { mtu }),
    vxlan: {
      vni,
      port: VXLAN_PORT,
      localAddress: local === undefined ? undefined : ip(local),
      parentIndex: parent === undefined ? undefined : indexOf(kernel, parent),
      learning: false,
    },
  })
  kernel.writeSysctl(`ipv4.neigh.${VXLAN_LINK.replace('.', '/')}.retrans_time_ms`, '20')
}

function indexOf(kernel: Kernel, link: string): number {
  return kernel.link(link)?.index ?? 4711
}

function routeOf(kernel: Kernel, route: StepRoute): Route {
  const { link, gateway, others = [], onlink, preferredSource, mtu, destination, ...rest } = route
  return {
    ...rest,
    destination: prefix(destination),
    protocol: 4,
    nextHops:
      link === undefined
        ? []
        : [
            {
              linkIndex: indexOf(kernel, link),
              ...(gateway === undefined ? {} : { gateway: ip(gateway) }),
              ...(onlink === true ? { onlink } : {}),
            },
            ...others.map((other) => ({
              linkIndex: indexOf(kernel, other.link),
              gateway: ip(other.gateway),
              weight: other.weight,
            })),
          ],
    ...(preferredSource === undefined ? {} : { preferredSource: ip(preferredSource) }),
    ...(mtu === undefined ? {} : { mtu }),
  }
}
