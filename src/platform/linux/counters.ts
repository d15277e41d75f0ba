import { readFileSync } from 'node:fs'
import type { Context } from './context.ts'

const FILES = ['snmp', 'netstat', 'snmp6'] as const

/** Counters of one namespace by the kernel's names. A file that the kernel has not is left out. */
export function readNetworkCounters(context: Context): Map<string, number> {
  const texts = context.inside(() => FILES.map(readFile))
  const [snmp = '', netstat = '', snmp6 = ''] = texts
  return new Map([...parseSnmp(snmp), ...parseSnmp(netstat), ...parseSnmp6(snmp6)])
}

/** Of the thread's namespace; /proc/net would show that of the process's first thread. */
function readFile(file: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${file}`, 'utf8')
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
