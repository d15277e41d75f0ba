import { revealed } from '../lib/secret.ts'
import { UserError } from '../lib/errors.ts'
import { addressBits, familyOf, parseIpAddress } from '../net/ip-address.ts'
import { AS_TRANS } from '../wire/bgp/iana.ts'
import { checkBfdTimers } from './bfd/check-timers.ts'
import type { NeighborConfig, NeighborOptions, SpeakerConfig } from './config.ts'

const AS_MAX = 4_294_967_295
const RESTART_SECONDS_MAX = 4095

/** @throws UserError that says which value is wrong, and what was expected */
export function checkConfig(config: SpeakerConfig): void {
  checkAs('localAs', config.localAs)
  checkRouterId('routerId', config.routerId)
  if (config.clusterId !== undefined) checkRouterId('clusterId', config.clusterId)
  const { restartTimeSeconds } = config.gracefulRestart ?? {}
  if (restartTimeSeconds !== undefined) {
    checkRange('gracefulRestart.restartTimeSeconds', restartTimeSeconds, 0, RESTART_SECONDS_MAX)
  }
  const seen = new Set<string>()
  for (const neighbor of config.neighbors) {
    if (seen.has(neighbor.address)) {
      throw new UserError(`neighbor ${neighbor.address}: configured twice`)
    }
    seen.add(neighbor.address)
    checkNeighbor(neighbor)
  }
  for (const range of config.dynamicNeighbors ?? []) {
    checkOptions(`dynamic neighbors ${range.range}`, range)
    if (range.remoteAs !== undefined) checkAs(`${range.range}: remoteAs`, range.remoteAs)
  }
}

/** What {@link checkConfig} asks of each neighbor, whatever the others are. @throws as it does */
export function checkNeighbor(neighbor: NeighborConfig): void {
  const where = `neighbor ${neighbor.address}`
  checkAs(`${where}: remoteAs`, neighbor.remoteAs)
  if (neighbor.port !== undefined) checkRange(`${where}: port`, neighbor.port, 1, 65_535)
  const { localAddress, address } = neighbor
  if (localAddress !== undefined && familyOf(localAddress) !== familyOf(address)) {
    throw new UserError(
      `${where}: expected a localAddress of the same family, found ${localAddress}`,
    )
  }
  checkOptions(where, neighbor)
}

function checkOptions(where: string, options: NeighborOptions): void {
  if (options.localAs !== undefined) checkAs(`${where}: localAs`, options.localAs)
  const { holdTimeSeconds, multihopTtl, ttlSecurityHops, families, md5Key } = options
  if (holdTimeSeconds !== undefined && holdTimeSeconds !== 0) {
    checkRange(`${where}: holdTimeSeconds (or 0)`, holdTimeSeconds, 3, 65_535)
  }
  if (multihopTtl !== undefined) checkRange(`${where}: multihopTtl`, multihopTtl, 1, 255)
  if (ttlSecurityHops !== undefined)
    checkRange(`${where}: ttlSecurityHops`, ttlSecurityHops, 1, 255)
  if (multihopTtl !== undefined && ttlSecurityHops !== undefined) {
    throw new UserError(`${where}: expected multihopTtl or ttlSecurityHops, found both`)
  }
  if (families?.length === 0) throw new UserError(`${where}: expected a family (4, 6), found none`)
  if (options.bfd !== undefined) checkBfdTimers(`${where}: bfd`, options.bfd)
  const keyOctets = md5Key === undefined ? 1 : Buffer.byteLength(revealed(md5Key))
  if (keyOctets === 0 || keyOctets > 80) {
    throw new UserError(`${where}: expected an md5Key of 1 to 80 octets`)
  }
}

/** Whether a speaker can be of it: neither 0 (RFC 7607) nor AS_TRANS (RFC 6793). */
export function isAsNumber(as: number): boolean {
  return Number.isInteger(as) && as >= 1 && as <= AS_MAX && as !== AS_TRANS
}

/** Whether it can be a BGP Identifier or a CLUSTER_ID. */
export function isRouterId(id: string): boolean {
  const address = parseIpAddress(id)
  return address !== undefined && familyOf(address) === 4 && id !== '0.0.0.0'
}

function checkAs(where: string, as: number): void {
  checkRange(where, as, 1, AS_MAX)
  if (as === AS_TRANS) {
    throw new UserError(
      `${where}: expected an AS of its own, found ${AS_TRANS} (AS_TRANS, RFC 6793)`,
    )
  }
}

function checkRouterId(where: string, id: string): void {
  if (isRouterId(id)) return
  throw new UserError(
    `${where}: expected ${addressBits(4)} bits written as an IPv4 address other than 0.0.0.0, found "${id}"`,
  )
}

function checkRange(where: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new UserError(`${where}: expected a whole number from ${least} to ${most}, found ${value}`)
}
