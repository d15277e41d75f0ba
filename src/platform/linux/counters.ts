import { readFileSync } from 'node:fs'
import type { Context } from './netlink/context.ts'

const FILES = ['snmp', 'netstat', 'snmp6'] as const
/** The neighbor tables of all namespaces are one; the files of the first tell of them. */
const TABLES = ['arp_cache', 'ndisc_cache'] as const

/** Counters of one namespace by the kernel's names. A file that the kernel has not is left out. */
export function readNetworkCounters(context: Context): Map<string, number> {
  // /proc/net would be that of the process's first thread.
  const texts = context.inside(() => FILES.map((file) => readFile(`/proc/thread-self/net/${file}`)))
  const [snmp = '', netstat = '', snmp6 = ''] = texts
  return new Map([
    ...parseSnmp(snmp),
    ...parseSnmp(netstat),
    ...parseSnmp6(snmp6),
    ...TABLES.flatMap((table) => parseTable(table, readFile(`/proc/1/net/stat/${table}`))),
  ])
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Pairs of lines: "Ip: Forwarding DefaultTTL …" and "Ip: 1 64 …". */
export function parseSnmp(text: string): [string, number][] {
  const lines = text.split('\n').map((line) => line.split(' '))
  const counters: [string, number][] = []
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [group = '', ...names] = lines[at]!
    const values = lines[at + 1]!
    names.forEach((name, column) => {
      counters.push([`${group.slice(0, -1)}.${name}`, Number(values[column + 1])])
    })
  }
  return counters
}

/** Lines "Ip6InReceives     0", named here as their IPv4 sisters are: "Ip6.InReceives". */
export function parseSnmp6(text: string): [string, number][] {
  const counters: [string, number][] = []
  for (const line of text.split('\n')) {
    const [, group, name, value] = /^(Ip6|Icmp6|Udp6|UdpLite6)(\S+)\s+(\d+)$/.exec(line) ?? []
    if (value !== undefined) counters.push([`${group!}.${name!}`, Number(value)])
  }
  return counters
}

/**
 * A line of names, then hexadecimal numbers of each processor (neigh_stat_seq_show): how often an entry
 * found the table full, and how many entries there are, which every processor says of all.
 */
export function parseTable(table: string, text: string): [string, number][] {
  const [names = [], ...rows] = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.trim().split(/\s+/))
  const values = (name: string): number[] => {
    const column = names.indexOf(name)
    return column < 0 ? [] : rows.map((row) => Number.parseInt(row[column] ?? '0', 16))
  }
  const [entries] = values('entries')
  if (entries === undefined) return []
  return [
    [`${table}.entries`, entries],
    [`${table}.table_fulls`, values('table_fulls').reduce((sum, value) => sum + value, 0)],
  ]
}
