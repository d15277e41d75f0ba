import { get16, get32, get48, set16, set32, set48 } from './octets.ts'

/** ARP for IPv4 over Ethernet (RFC 826) at an offset: `import * as arp`. MACs are 48-bit numbers. */

export const MESSAGE_OCTETS = 28
export const OPERATION = { request: 1, reply: 2 } as const

/** Whether 28 octets are there and they are ARP for IPv4 over Ethernet. */
export function check(octets: Uint8Array, at = 0): boolean {
  return (
    octets.length - at >= MESSAGE_OCTETS &&
    get32(octets, at) === 0x00010800 &&
    get16(octets, at + 4) === 0x0604
  )
}

export function operation(octets: Uint8Array, at = 0): number {
  return get16(octets, at + 6)
}

export function senderMac(octets: Uint8Array, at = 0): number {
  return get48(octets, at + 8)
}

export function senderAddress(octets: Uint8Array, at = 0): number {
  return get32(octets, at + 14)
}

export function targetAddress(octets: Uint8Array, at = 0): number {
  return get32(octets, at + 24)
}

export interface ArpMessage {
  readonly operation: number
  readonly senderMac: number
  readonly senderAddress: number
  readonly targetMac: number
  readonly targetAddress: number
}

export function encode(message: ArpMessage): Uint8Array {
  const octets = new Uint8Array(MESSAGE_OCTETS)
  set32(octets, 0, 0x00010800)
  set16(octets, 4, 0x0604)
  set16(octets, 6, message.operation)
  set48(octets, 8, message.senderMac)
  set32(octets, 14, message.senderAddress)
  set48(octets, 18, message.targetMac)
  set32(octets, 24, message.targetAddress)
  return octets
}
