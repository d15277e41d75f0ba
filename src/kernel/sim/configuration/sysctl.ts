import { KernelError } from '../../kernel.ts'

const INT_MIN = -(2 ** 31)
const INT_MAX = 2 ** 31 - 1

/*
 * A setting is in one of two tables: values that the simulation obeys, with the kernel's defaults, and
 * values that it has as they are. What would not be obeyed is refused, so that nobody takes a network for
 * one with a setting that it has not.
 */

/** /proc/sys/net/ipv4/conf/<link> */
const CONF4 = {
  accept_local: 0,
  arp_accept: 0,
  arp_announce: 0,
  arp_ignore: 0,
  forwarding: 0,
  ignore_routes_with_linkdown: 0,
  promote_secondaries: 0,
  proxy_arp: 0,
  proxy_arp_pvlan: 0,
  route_localnet: 0,
  rp_filter: 0,
  send_redirects: 1,
}

/** /proc/sys/net/ipv6/conf/<link> */
const CONF6 = {
  accept_dad: 1,
  addr_gen_mode: 0,
  dad_transmits: 1,
  disable_ipv6: 0,
  forwarding: 0,
  hop_limit: 64,
  ignore_routes_with_linkdown: 0,
  keep_addr_on_down: 0,
  proxy_ndp: 0,
}

/** /proc/sys/net/ipv4/neigh/<link>, and ipv6; times ending in _ms are milliseconds. */
const NEIGH = {
  app_solicit: 0,
  base_reachable_time_ms: 30_000,
  delay_first_probe_time: 5,
  /** In hundredths of a second (USER_HZ). */
  locktime: 100,
  mcast_resolicit: 0,
  mcast_solicit: 3,
  proxy_delay: 80,
  proxy_qlen: 64,
  retrans_time_ms: 1000,
  ucast_solicit: 3,
}

/** Values that stand alone under /proc/sys/net: the default, and between what the kernel takes a number. */
const GLOBAL = {
  'ipv4.icmp_echo_ignore_all': [0, 0, 1],
  'ipv4.icmp_echo_ignore_broadcasts': [1, 0, 1],
  'ipv4.icmp_errors_use_inbound_ifaddr': [0, 0, 1],
  'ipv4.icmp_ratelimit': [1000, 0, INT_MAX],
  'ipv4.icmp_ratemask': [6168, INT_MIN, INT_MAX],
  'ipv4.ip_default_ttl': [64, 1, 255],
  'ipv4.ipfrag_time': [30, INT_MIN, INT_MAX],
  'ipv4.tcp_retries2': [15, 0, 255],
  'ipv4.tcp_syn_retries': [6, 1, 127],
  'ipv4.tcp_synack_retries': [5, 0, 255],
  'ipv6.icmp.echo_ignore_all': [0, 0, 1],
  'ipv6.icmp.ratelimit': [1000, 0, INT_MAX],
} as const satisfies Readonly<Record<string, readonly [value: number, least: number, most: number]>>

export type GlobalSysctl = keyof typeof GLOBAL

/** What the simulation is like, by group: no router advertises, no host obeys redirects, nothing is garbage. */
const FIXED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'ipv4.conf': {
    accept_redirects: '0',
    arp_filter: '0',
    arp_notify: '0',
    disable_policy: '0',
    log_martians: '0',
    secure_redirects: '1',
    shared_media: '1',
    src_valid_mark: '0',
  },
  'ipv6.conf': {
    accept_ra: '0',
    accept_redirects: '0',
    autoconf: '0',
    ndisc_notify: '0',
  },
  'ipv4.neigh': { gc_stale_time: '60', unres_qlen: '101' },
  'ipv6.neigh': { gc_stale_time: '60', unres_qlen: '101' },
  '': {
    'ipv4.fib_multipath_hash_policy': '0',
    'ipv4.ip_forward_use_pmtu': '0',
    'ipv4.ip_local_port_range': '32768\t60999',
    'ipv4.ip_nonlocal_bind': '0',
    'ipv4.ip_unprivileged_port_start': '1024',
    'ipv4.tcp_l3mdev_accept': '0',
    'ipv6.bindv6only': '0',
    'ipv6.fib_multipath_hash_policy': '0',
    'core.somaxconn': '4096',
  },
}

/** The names of what is obeyed: of a link's with their group, "ipv4.conf.rp_filter". */
export const OBEYED_SYSCTLS: readonly string[] = [
  ...Object.keys(CONF4).map((key) => `ipv4.conf.${key}`),
  ...Object.keys(CONF6).map((key) => `ipv6.conf.${key}`),
  ...Object.keys(NEIGH).flatMap((key) => [`ipv4.neigh.${key}`, `ipv6.neigh.${key}`]),
  ...Object.keys(GLOBAL),
]

/** By family: Linux has one neighbor table for all namespaces, and its settings in the first alone. */
export type NeighborTableLimits = Readonly<
  Record<4 | 6, { gc_thresh3: number; /** Entries that were refused. */ fulls: number }>
>

const NEIGHBORS_MAX: Readonly<Record<string, 4 | 6>> = {
  'ipv4.neigh.default.gc_thresh3': 4,
  'ipv6.neigh.default.gc_thresh3': 6,
}

export type Conf4 = Record<keyof typeof CONF4, number>
export type Conf6 = Record<keyof typeof CONF6, number>
export type NeighConf = Record<keyof typeof NEIGH, number>

/** What one link is configured by. */
export interface LinkConf {
  readonly conf4: Conf4
  readonly conf6: Conf6
  readonly neigh4: NeighConf
  readonly neigh6: NeighConf
  /** Values of conf4 that do not follow the default any more (struct ipv4_devconf, state). */
  readonly settled4: Set<string>
}

type Part = 'conf4' | 'conf6' | 'neigh4' | 'neigh6'

const GROUPS: ReadonlyMap<string, Part> = new Map([
  ['ipv4.conf', 'conf4'],
  ['ipv6.conf', 'conf6'],
  ['ipv4.neigh', 'neigh4'],
  ['ipv6.neigh', 'neigh6'],
])

/** A link that is given an address does not follow the defaults any more (ipv4_devconf_setall). */
export function settleConf4({ settled4 }: LinkConf): void {
  for (const key of Object.keys(CONF4)) settled4.add(key)
}

function freshConf(): LinkConf {
  return {
    conf4: { ...CONF4 },
    conf6: { ...CONF6 },
    neigh4: { ...NEIGH },
    neigh6: { ...NEIGH, proxy_delay: 80, locktime: 0 },
    settled4: new Set(),
  }
}

/** The part of /proc/sys/net of one namespace that means something here. */
export class Sysctl {
  readonly all = freshConf()
  readonly default = freshConf()
  /** Global values that were written. */
  readonly #global = new Map<GlobalSysctl, number>()
  readonly #links = new Map<string, LinkConf>()
  /** Only of the machine's first namespace. */
  neighborTables: NeighborTableLimits | undefined
  /** Called when a value has been written that others derive from. */
  onChange: () => void = () => {}
  /** Called when a value has been written that the kernel tells of; of all links or new ones when none is named. */
  onNotable: (family: 4 | 6, link: string | undefined) => void = () => {}
  /** Called when links have begun or ceased to be routers' of IPv6; all of them when none is named. */
  onForwarding6: (link: string | undefined) => void = () => {}

  /** The values of a new link: the defaults of now. */
  addLink(name: string): LinkConf {
    const conf: LinkConf = {
      conf4: { ...this.default.conf4 },
      conf6: { ...this.default.conf6 },
      neigh4: { ...this.default.neigh4 },
      neigh6: { ...this.default.neigh6 },
      settled4: new Set(this.default.settled4),
    }
    this.#links.set(name, conf)
    return conf
  }

  renameLink(from: string, to: string): void {
    const conf = this.#links.get(from)
    if (conf === undefined) return
    this.#links.delete(from)
    this.#links.set(to, conf)
  }

  removeLink(name: string): void {
    this.#links.delete(name)
  }

  /** A value that stands alone. */
  number(name: GlobalSysctl): number {
    return this.#global.get(name) ?? GLOBAL[name][0]
  }

  read(path: string): string {
    if (path === 'ipv4.ip_forward') return String(this.all.conf4.forwarding)
    const field = this.#field(path)
    if (field !== undefined) return String(field.values[field.key])
    if (isGlobal(path)) return String(this.number(path))
    const fixed = this.#fixed(path)
    if (fixed === undefined) throw new KernelError('ENOENT', `Unable to read sysctl net.${path}`)
    return fixed
  }

  write(path: string, value: string): void {
    const text = value.trim()
    // Writing nothing changes nothing (do_proc_dointvec).
    if (value === '') return void this.read(path)
    if (path === 'ipv4.ip_forward') return this.#setForwarding(numberOf(path, text) === 0 ? 0 : 1)
    const field = this.#field(path)
    if (field === undefined) return this.#writeAlone(path, text)
    const number = numberOf(path, text)
    if (path === 'ipv4.conf.all.forwarding') return this.#setForwarding(number)
    if (field.values[field.key] !== number && NOTABLE.has(field.key)) this.#tell(path)
    field.values[field.key] = number
    if (path.startsWith('ipv4.conf.')) this.#settle4(path, field.key as keyof Conf4, number)
    const isAll6 = path.startsWith('ipv6.conf.all.')
    if (isAll6 && isCarriedOver6(field.key)) {
      this.default.conf6[field.key] = number
      for (const conf of this.#links.values()) conf.conf6[field.key] = number
    }
    if (field.key === 'forwarding') {
      this.onForwarding6(isAll6 ? undefined : path.split('.')[2]!.replaceAll('/', '.'))
    }
    this.onChange()
  }

  #writeAlone(path: string, text: string): void {
    if (!isGlobal(path)) return this.#assertFixed(path, text)
    const [, least, most] = GLOBAL[path]
    this.#global.set(path, numberOf(path, text, least, most))
    this.onChange()
  }

  #assertFixed(path: string, text: string): void {
    const fixed = this.#fixed(path)
    if (fixed === undefined) throw new KernelError('ENOENT', `Unable to write sysctl net.${path}`)
    if (text.replaceAll(/\s+/g, '\t') === fixed) return
    throw new KernelError(
      'EOPNOTSUPP',
      `Unable to write "${text}" to sysctl net.${path}: the simulated kernel obeys ${fixed} only`,
    )
  }

  #tell(path: string): void {
    const [family, , link = ''] = path.split('.')
    const name = link === 'all' || link === 'default' ? undefined : link.replaceAll('/', '.')
    this.onNotable(family === 'ipv4' ? 4 : 6, name)
  }

  /** The default goes on to links where nobody has chosen yet (devinet_conf_proc). */
  #settle4(path: string, key: keyof Conf4, value: number): void {
    const [, , link = ''] = path.split('.')
    if (link !== 'default') {
      this.#links.get(link.replaceAll('/', '.'))?.settled4.add(key)
      return
    }
    this.default.settled4.add(key)
    for (const { conf4, settled4 } of this.#links.values()) {
      if (!settled4.has(key)) conf4[key] = value
    }
  }

  /** net.ipv4.ip_forward is conf.all.forwarding, and writing it writes every link (devinet_sysctl_forward). */
  #setForwarding(value: number): void {
    if (this.all.conf4.forwarding !== value) this.onNotable(4, undefined)
    this.all.conf4.forwarding = value
    this.default.conf4.forwarding = value
    for (const conf of this.#links.values()) conf.conf4.forwarding = value
    this.onChange()
  }

  #field(path: string): { values: Record<string, number>; key: string } | undefined {
    // Only one namespace has it: for the paths of all others nothing is looked up by the whole text.
    const family = this.neighborTables && NEIGHBORS_MAX[path]
    if (family !== undefined) {
      return { values: this.neighborTables![family], key: 'gc_thresh3' }
    }
    const named = this.#ofLink(path)
    if (named === undefined) return undefined
    const values: Record<string, number> = named.conf[named.part]
    return named.key in values ? { values, key: named.key } : undefined
  }

  #fixed(path: string): string | undefined {
    const named = this.#ofLink(path)
    return named === undefined ? FIXED['']![path] : FIXED[named.group]![named.key]
  }

  /** The link that "ipv4.conf.eth0.rp_filter" is about, and what of it. */
  #ofLink(path: string): { group: string; part: Part; conf: LinkConf; key: string } | undefined {
    // Cut by hand: a node asks this some ten times for each of its pods.
    const linkAt = path.indexOf('.', path.indexOf('.') + 1) + 1
    const keyAt = path.indexOf('.', linkAt) + 1
    const group = path.slice(0, linkAt - 1)
    const part = GROUPS.get(group)
    if (linkAt === 0 || keyAt === 0 || part === undefined) return undefined
    const [link, key] = [path.slice(linkAt, keyAt - 1), path.slice(keyAt)]
    // neigh/default is there in the machine's first namespace only, and there is no neigh/all.
    const isConf = part === 'conf4' || part === 'conf6'
    const conf =
      isConf && link === 'all'
        ? this.all
        : isConf && link === 'default'
          ? this.default
          : this.#links.get(link.includes('/') ? link.replaceAll('/', '.') : link)
    return conf === undefined ? undefined : { group, part, conf, key }
  }
}

function isGlobal(path: string): path is GlobalSysctl {
  return Object.hasOwn(GLOBAL, path)
}

/** Written values that RTNLGRP_IPV4_NETCONF and its kin tell of (devinet_conf_proc, addrconf_sysctl_*). */
const NOTABLE: ReadonlySet<string> = new Set(['forwarding', 'rp_filter', 'proxy_arp', 'proxy_ndp'])

/** What "all" writes to every link (addrconf_fixup_forwarding, addrconf_disable_ipv6, addrconf_fixup_linkdown). */
const CARRIED_OVER6 = ['forwarding', 'disable_ipv6', 'ignore_routes_with_linkdown'] as const

function isCarriedOver6(key: string): key is (typeof CARRIED_OVER6)[number] {
  return (CARRIED_OVER6 as readonly string[]).includes(key)
}

/** Errors: EINVAL for what is no number, and for one out of bounds (proc_dointvec_minmax). */
function numberOf(path: string, text: string, least = INT_MIN, most = INT_MAX): number {
  const number = /^-?\d+$/.test(text) ? Number(text) : NaN
  if (number >= least && number <= most) return number
  throw new KernelError('EINVAL', `Unable to write "${text}" to sysctl net.${path}`)
}
