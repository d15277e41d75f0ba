import type { Family } from '../../net/ip-address.ts'
import type { Place } from '../predict/fault.ts'
import type { Command } from './cause.ts'

/** "server01", "default/network-5z4qp on server01". */
export function where({ node, netns }: Pick<Place, 'node' | 'netns'>): string {
  return netns === 'host' ? node : `${netns} on ${node}`
}

/** A command by its words; what is put in may be several. */
export function command(text: string): Command {
  return text.split(/\s+/).filter((word) => word !== '')
}

/** "ip" or "ip -6", which views of IPv6 and default routes need. */
export function ipOf(family: Family): string {
  return family === 4 ? 'ip' : 'ip -6'
}

/** "net.ipv4.conf.ens33.rp_filter"; a dot of the link's name is written "/". */
export function linkSetting(family: Family, link: string, name: string): string {
  return `net.ipv${family}.conf.${link.replaceAll('.', '/')}.${name}`
}

export function sysctlCommand(setting: string, value: number): Command {
  return ['sysctl', '-w', `${setting}=${value}`]
}

/** Length of a prefix that is one address. */
export function hostLength(family: Family): number {
  return family === 4 ? 32 : 128
}

/** What the neighbor protocol is called: ARP (RFC 826) or neighbor discovery (RFC 4861). */
export function neighborProtocol(family: Family): string {
  return family === 4 ? 'ARP' : 'neighbor discovery'
}
