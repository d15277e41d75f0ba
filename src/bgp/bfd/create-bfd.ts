import type { Bfd, BfdPorts } from './bfd.ts'
import { BfdEngine } from './engine.ts'

/** Bidirectional Forwarding Detection (RFC 5880, 5881, 5883); makes no socket until a session is added. */
export function createBfd(ports: BfdPorts): Bfd {
  return new BfdEngine(ports)
}
