import { type Addr, maskAddr } from './addr.ts'

/** Where a packet is when the firewall sees it (netfilter's hooks). */
export type FirewallHook = 'input' | 'forward' | 'output'

/** What a rule may look at. Links by name; "*" at the end of a name matches any rest, as in iptables' "cali+". */
export interface FirewallMatch {
  readonly inputLink?: string
  readonly outputLink?: string
  readonly source?: { readonly addr: Addr; readonly length: number }
  readonly destination?: { readonly addr: Addr; readonly length: number }
  /** IP protocol number. */
  readonly protocol?: number
}

export interface FirewallRule {
  readonly hook: FirewallHook
  readonly match: FirewallMatch
  readonly verdict: 'accept' | 'drop'
  /** Packets that met this rule. */
  packets: number
}

/** Source NAT of what leaves by a link: masquerade when no address is given. */
export interface SourceNatRule {
  readonly match: FirewallMatch
  readonly to?: Addr
  packets: number
}

/** A packet as rules see it. */
export interface FirewallPacket {
  readonly source: Addr
  readonly destination: Addr
  readonly protocol: number
  readonly inputLink: string | undefined
  readonly outputLink: string | undefined
}

/** Filter rules of a namespace: the first that matches decides, else the hook's policy. */
export class SimFirewall {
  readonly rules: FirewallRule[] = []
  readonly sourceNat: SourceNatRule[] = []
  readonly policy: Record<FirewallHook, 'accept' | 'drop'> = {
    input: 'accept',
    forward: 'accept',
    output: 'accept',
  }

  add(hook: FirewallHook, match: FirewallMatch, verdict: 'accept' | 'drop'): FirewallRule {
    const rule: FirewallRule = { hook, match, verdict, packets: 0 }
    this.rules.push(rule)
    return rule
  }

  remove(rule: FirewallRule): void {
    const at = this.rules.indexOf(rule)
    if (at >= 0) this.rules.splice(at, 1)
  }

  accepts(hook: FirewallHook, packet: FirewallPacket): boolean {
    for (const rule of this.rules) {
      if (rule.hook !== hook || !matches(rule.match, packet)) continue
      rule.packets++
      return rule.verdict === 'accept'
    }
    return this.policy[hook] === 'accept'
  }

  /** The rule by which a packet's source is to be rewritten, if any. */
  natFor(packet: FirewallPacket): SourceNatRule | undefined {
    return this.sourceNat.find((rule) => matches(rule.match, packet))
  }
}

function matches(match: FirewallMatch, packet: FirewallPacket): boolean {
  return (
    (match.protocol === undefined || match.protocol === packet.protocol) &&
    matchesLink(match.inputLink, packet.inputLink) &&
    matchesLink(match.outputLink, packet.outputLink) &&
    matchesAddr(match.source, packet.source) &&
    matchesAddr(match.destination, packet.destination)
  )
}

function matchesLink(pattern: string | undefined, name: string | undefined): boolean {
  if (pattern === undefined) return true
  if (name === undefined) return false
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

function matchesAddr(pattern: FirewallMatch['source'], addr: Addr): boolean {
  if (pattern === undefined) return true
  return (
    typeof addr === typeof pattern.addr &&
    maskAddr(addr, pattern.length) === maskAddr(pattern.addr, pattern.length)
  )
}
