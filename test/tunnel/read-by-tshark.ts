import { command } from '../support/command.ts'
import type { HeaderRow, PacketRow } from './packet-row.ts'

/** A layer as `tshark -T json --no-duplicate-keys` prints it: two layers of one kind are an array. */
type Layer = Readonly<Record<string, string | Readonly<Record<string, string>>>>
type Layers = Readonly<Record<string, Layer | readonly Layer[] | undefined>>

/** Checksums are judged only where that is asked for; ICMP's always. */
const JUDGE_CHECKSUMS = ['ip', 'tcp', 'udp'].flatMap((protocol) => [
  '-o',
  `${protocol}.check_checksum:TRUE`,
])
const CHECKSUM_GOOD = '1'

/** What Wireshark's dissectors say of the packets of a capture file that travel between two addresses. */
export function readByTshark(file: string, [one, other]: readonly [string, string]): PacketRow[] {
  const filter = `ip.addr == ${one} && ip.addr == ${other}`
  const how = ['-n', '-T', 'json', '--no-duplicate-keys']
  const json = command('tshark', ['-r', file, '-Y', filter, ...how, ...JUDGE_CHECKSUMS])
  const packets = JSON.parse(json) as { _source: { layers: Layers } }[]
  const rows = packets.map(({ _source: { layers } }) => ({
    headers: layersOf(layers, 'ip').map(headerRow),
    transport: transportRow(layers),
  }))
  // The filter also finds ICMP errors that quote such a packet.
  return rows.filter(({ headers }) => {
    const { source, destination } = headers.at(-1)!
    return [one, other].includes(source) && [one, other].includes(destination)
  })
}

function layersOf(layers: Layers, name: string): readonly Layer[] {
  const found = layers[name]
  if (found === undefined) return []
  return Array.isArray(found) ? (found as Layer[]) : [found as Layer]
}

/** A field wherever it hangs in a layer: flags and traffic class are trees of their own. */
function text(layer: Layer, field: string): string {
  for (const [name, value] of Object.entries(layer)) {
    if (name === field && typeof value === 'string') return value
    if (typeof value === 'object' && field in value) return value[field]!
  }
  throw new Error(`tshark says no ${field}: ${JSON.stringify(layer)}`)
}

const number = (layer: Layer, field: string): number => Number(text(layer, field))
const flag = (layer: Layer, field: string): boolean => ['1', 'True'].includes(text(layer, field))

function headerRow(layer: Layer): HeaderRow {
  return {
    source: text(layer, 'ip.src'),
    destination: text(layer, 'ip.dst'),
    protocol: number(layer, 'ip.proto'),
    timeToLive: number(layer, 'ip.ttl'),
    identification: number(layer, 'ip.id'),
    typeOfService: number(layer, 'ip.dsfield'),
    dontFragment: flag(layer, 'ip.flags.df'),
    moreFragments: flag(layer, 'ip.flags.mf'),
    fragmentOffset: number(layer, 'ip.frag_offset'),
    totalLength: number(layer, 'ip.len'),
    checksumValid: text(layer, 'ip.checksum.status') === CHECKSUM_GOOD,
  }
}

function transportRow(layers: Layers): PacketRow['transport'] {
  const [icmp] = layersOf(layers, 'icmp')
  if (icmp !== undefined) {
    const type = number(icmp, 'icmp.type')
    if (type !== 0 && type !== 8) return { kind: 'icmp', type }
    return {
      kind: 'icmp',
      type,
      code: number(icmp, 'icmp.code'),
      identifier: number(icmp, 'icmp.ident'),
      sequence: number(icmp, 'icmp.seq'),
      checksumValid: text(icmp, 'icmp.checksum.status') === CHECKSUM_GOOD,
    }
  }
  const [tcp] = layersOf(layers, 'tcp')
  if (tcp !== undefined) {
    return {
      kind: 'tcp',
      sourcePort: number(tcp, 'tcp.srcport'),
      destinationPort: number(tcp, 'tcp.dstport'),
      sequence: number(tcp, 'tcp.seq_raw'),
      acknowledgment: number(tcp, 'tcp.ack_raw'),
      flags: number(tcp, 'tcp.flags'),
      window: number(tcp, 'tcp.window_size_value'),
      dataOctets: number(tcp, 'tcp.len'),
      checksumValid: text(tcp, 'tcp.checksum.status') === CHECKSUM_GOOD,
    }
  }
  const [udp] = layersOf(layers, 'udp')
  if (udp === undefined) return {}
  return {
    kind: 'udp',
    sourcePort: number(udp, 'udp.srcport'),
    destinationPort: number(udp, 'udp.dstport'),
    dataOctets: number(udp, 'udp.length') - 8,
    checksumValid: text(udp, 'udp.checksum.status') === CHECKSUM_GOOD,
  }
}
