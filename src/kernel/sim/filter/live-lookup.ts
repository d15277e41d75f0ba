import { prefixAddress, prefixLength } from '../../../net/prefix.ts'
import {
  type FilterElement,
  isIntervalKey,
  keyValues,
  portRange,
  prefixOfKey,
  valueAddress,
} from '../../filter-keys.ts'
import type { FilterFieldType, FilterValue, PacketField } from '../../packet-filter.ts'
import { type Addr, addrFromText, maskAddr } from '../routing/addr.ts'
import { type FilteredPacket, portAt } from './filtered-packet.ts'

/** A set or map that packets are looked up in (nft_set). */
export class LiveLookup {
  readonly #types: readonly FilterFieldType[]
  readonly #elements: Elements

  readonly #byText = new Map<string, FilterElement>()

  constructor(types: readonly FilterFieldType[]) {
    this.#types = types
    if (!isIntervalKey(types)) this.#elements = new ExactElements(types)
    else this.#elements = types[0] === 'port' ? new PortElements() : new PrefixElements()
  }

  /** @param text what the element is known by */
  add(text: string, element: FilterElement): void {
    this.#byText.set(text, element)
    this.#elements.add(element)
  }

  remove(text: string): void {
    this.#elements.remove(this.#byText.get(text)!)
    this.#byText.delete(text)
  }

  /**
   * The element that a packet is, "absent" if it is none; undefined for a packet that lacks one of the
   * fields or is of another family, to which the rule says nothing.
   */
  find(
    packet: FilteredPacket,
    fields: readonly PacketField[],
  ): FilterElement | 'absent' | undefined {
    const values: (Addr | undefined)[] = fields.map((field) => FIELDS[field](packet))
    const isKey = values.every((value, index) => {
      const type = this.#types[index]
      if (type === 'ipv4') return typeof value === 'number'
      return type === 'ipv6' ? typeof value === 'string' : value !== undefined
    })
    if (!isKey) return undefined
    return this.#elements.find(values as readonly Addr[]) ?? 'absent'
  }
}

/** Values of packets: addresses as they are kept, links by name ("" where there is none). */
const FIELDS: Readonly<Record<PacketField, (packet: FilteredPacket) => Addr | undefined>> = {
  source: ({ source }) => source,
  destination: ({ destination }) => destination,
  protocol: ({ protocol }) => protocol,
  sourcePort: (packet) => portAt(packet, 0),
  destinationPort: (packet) => portAt(packet, 2),
  inputLink: ({ input }) => input?.name ?? '',
  outputLink: ({ output }) => output?.name ?? '',
  mark: ({ meta }) => meta.mark,
}

interface Elements {
  add(element: FilterElement): void
  remove(element: FilterElement): void
  find(values: readonly Addr[]): FilterElement | undefined
}

class ExactElements implements Elements {
  readonly #types: readonly FilterFieldType[]
  readonly #byKey = new Map<string, FilterElement>()

  constructor(types: readonly FilterFieldType[]) {
    this.#types = types
  }

  #keyOf({ key }: FilterElement): string {
    return keyOf(keyValues(key).map((value, index) => exactValue(this.#types[index]!, value)))
  }

  add(element: FilterElement): void {
    this.#byKey.set(this.#keyOf(element), element)
  }

  remove(element: FilterElement): void {
    this.#byKey.delete(this.#keyOf(element))
  }

  find(values: readonly Addr[]): FilterElement | undefined {
    return this.#byKey.get(keyOf(values))
  }
}

function exactValue(type: FilterFieldType, value: FilterValue): Addr {
  if (type === 'ipv4' || type === 'ipv6') return addrFromText(valueAddress(value))
  if (typeof value !== 'object') return value
  return 'link' in value ? value.link : value.first
}

function keyOf(values: readonly Addr[]): string {
  return values.join('|')
}

/** Masked addresses by prefix length. */
class PrefixElements implements Elements {
  readonly #byLength = new Map<number, Map<Addr, FilterElement>>()

  add(element: FilterElement): void {
    const length = prefixLength(prefixOfKey(element.key))
    const addrs = this.#byLength.get(length) ?? new Map<Addr, FilterElement>()
    this.#byLength.set(
      length,
      addrs.set(addrFromText(prefixAddress(prefixOfKey(element.key))), element),
    )
  }

  remove({ key }: FilterElement): void {
    const length = prefixLength(prefixOfKey(key))
    const addrs = this.#byLength.get(length)
    addrs?.delete(addrFromText(prefixAddress(prefixOfKey(key))))
    if (addrs?.size === 0) this.#byLength.delete(length)
  }

  find([addr]: readonly Addr[]): FilterElement | undefined {
    for (const [length, addrs] of this.#byLength) {
      const found = addrs.get(maskAddr(addr!, length))
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** Ranges by their first port. */
class PortElements implements Elements {
  readonly #byFirst = new Map<number, FilterElement>()

  add(element: FilterElement): void {
    this.#byFirst.set(portRange(element.key as FilterValue).first, element)
  }

  remove({ key }: FilterElement): void {
    this.#byFirst.delete(portRange(key as FilterValue).first)
  }

  find([port]: readonly Addr[]): FilterElement | undefined {
    for (const element of this.#byFirst.values()) {
      const { first, last } = portRange(element.key as FilterValue)
      if ((port as number) >= first && (port as number) <= last) return element
    }
    return undefined
  }
}
