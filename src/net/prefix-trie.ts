import { addressBits, addressOctets, familyOf, type IpAddress } from './ip-address.ts'
import { type Prefix, prefixAddress, prefixFamily, prefixLength } from './prefix.ts'

interface Node<Value> {
  zero: Node<Value> | undefined
  one: Node<Value> | undefined
  prefix: Prefix | undefined
  value: Value | undefined
}

function node<Value>(): Node<Value> {
  return { zero: undefined, one: undefined, prefix: undefined, value: undefined }
}

/**
 * Prefixes of both families with a value each, for longest-prefix match. One bit a level: simple and
 * good for the tables of hosts; the BGP tables have a structure of their own.
 */
export class PrefixTrie<Value> {
  readonly #roots = { 4: node<Value>(), 6: node<Value>() }
  #size = 0

  get size(): number {
    return this.#size
  }

  set(prefix: Prefix, value: Value): void {
    let at = this.#roots[prefixFamily(prefix)]
    const octets = addressOctets(prefixAddress(prefix))
    const length = prefixLength(prefix)
    for (let bit = 0; bit < length; bit++) {
      if (bitAt(octets, bit)) at = at.one ??= node()
      else at = at.zero ??= node()
    }
    if (at.prefix === undefined) this.#size++
    at.prefix = prefix
    at.value = value
  }

  get(prefix: Prefix): Value | undefined {
    let at: Node<Value> | undefined = this.#roots[prefixFamily(prefix)]
    const octets = addressOctets(prefixAddress(prefix))
    const length = prefixLength(prefix)
    for (let bit = 0; bit < length && at !== undefined; bit++) {
      at = bitAt(octets, bit) ? at.one : at.zero
    }
    return at?.value
  }

  /** Removes a prefix and the branches that held only it; false if it was not there. */
  delete(prefix: Prefix): boolean {
    const octets = addressOctets(prefixAddress(prefix))
    const length = prefixLength(prefix)
    const path = [this.#roots[prefixFamily(prefix)]]
    for (let bit = 0; bit < length; bit++) {
      const next = bitAt(octets, bit) ? path[bit]!.one : path[bit]!.zero
      if (next === undefined) return false
      path.push(next)
    }
    const last = path[length]!
    if (last.prefix === undefined) return false
    last.prefix = undefined
    last.value = undefined
    this.#size--
    for (let depth = length; depth > 0; depth--) {
      const at = path[depth]!
      if (at.prefix !== undefined || at.zero !== undefined || at.one !== undefined) break
      const parent = path[depth - 1]!
      if (parent.zero === at) parent.zero = undefined
      else parent.one = undefined
    }
    return true
  }

  /** The longest prefix that contains the address, with its value. */
  match(address: IpAddress): { prefix: Prefix; value: Value } | undefined {
    return this.matches(address).at(-1)
  }

  /** All prefixes that contain the address, the shortest first. */
  matches(address: IpAddress): { prefix: Prefix; value: Value }[] {
    const found: { prefix: Prefix; value: Value }[] = []
    const octets = addressOctets(address)
    const bits = addressBits(familyOf(address))
    let at: Node<Value> | undefined = this.#roots[familyOf(address)]
    for (let bit = 0; at !== undefined; bit++) {
      if (at.prefix !== undefined) found.push({ prefix: at.prefix, value: at.value as Value })
      if (bit === bits) break
      at = bitAt(octets, bit) ? at.one : at.zero
    }
    return found
  }

  /** All prefixes in order of address, a covering prefix before what it covers. */
  *[Symbol.iterator](): Generator<[Prefix, Value]> {
    for (const root of [this.#roots[4], this.#roots[6]]) {
      const stack = [root]
      for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
        if (at.prefix !== undefined) yield [at.prefix, at.value as Value]
        if (at.one !== undefined) stack.push(at.one)
        if (at.zero !== undefined) stack.push(at.zero)
      }
    }
  }
}

function bitAt(octets: Uint8Array, bit: number): boolean {
  return (octets[bit >> 3]! & (0x80 >> (bit & 7))) !== 0
}
