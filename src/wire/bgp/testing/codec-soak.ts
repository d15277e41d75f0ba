import { ByteWriter, hex } from '../../../lib/bytes.ts'
import { SeededRandom } from '../../../lib/random.ts'
import { BgpError } from '../bgp-error.ts'
import { type CodecContext } from '../codec-context.ts'
import { exportAttributes } from '../export-attributes.ts'
import { Framer } from '../framer.ts'
import { decodeMessage, messageType } from '../message.ts'
import { describeNotification, notificationOf } from '../notification.ts'
import { PathFacts, readPathFacts } from '../path-facts.ts'
import { scanUpdate } from '../scan-update.ts'
import { decodeAttributeBlock, decodeUpdate, encodeAttributeBlock } from '../update.ts'
import { type AttributeBlock, UpdateScan } from '../update-scan.ts'
import { randomContext, randomMutation, randomUpdate } from './random-messages.ts'
import { expectedVerdict, type Verdict } from './update-oracle.ts'

/** How many messages had which outcome. */
export type SoakCounts = Record<Verdict | 'mutations' | 'mutationErrors', number>

const VERDICTS = ['none', 'discard', 'withdraw'] as const

function verdictOf(octets: Uint8Array, context: CodecContext, scan: UpdateScan): Verdict {
  try {
    scanUpdate(octets, 0, octets.length, context, scan)
  } catch (error) {
    if (error instanceof BgpError && error.code === 3) return 'reset'
    throw error
  }
  return VERDICTS[scan.treatment as 0 | 1 | 2]
}

/** The block must read and write back as what it is, and go out to old and new speakers. */
function exerciseBlock({ octets, start, end }: AttributeBlock, facts: PathFacts): void {
  const attributes = decodeAttributeBlock(octets, start, end)
  const ordered = encodeAttributeBlock(attributes)
  const again = encodeAttributeBlock(decodeAttributeBlock(ordered))
  if (hex(again) !== hex(ordered)) {
    throw new Error(`Block does not survive: ${hex(octets.subarray(start, end))}`)
  }
  readPathFacts(octets, start, end, facts)
  if (facts.origin !== attributes.origin) throw new Error('Facts and attributes disagree on ORIGIN')
  for (const fourOctetAs of [true, false]) {
    const writer = new ByteWriter(256)
    exportAttributes(octets, start, end, { fourOctetAs, prependAs: 4200000000 }, writer)
  }
}

function oneUpdate(random: SeededRandom, scan: UpdateScan, facts: PathFacts): Verdict {
  const context = randomContext(random)
  const octets = randomUpdate(random, context)
  const verdict = verdictOf(octets, context, scan)
  const expected = expectedVerdict(octets, context)
  if (verdict !== expected) {
    const where = JSON.stringify(context)
    throw new Error(`Expected ${expected}, found ${verdict}: ${hex(octets)} with ${where}`)
  }
  if (verdict === 'reset') return verdict
  decodeUpdate(octets, context)
  if (scan.announced.count > 0) exerciseBlock(scan.block, facts)
  if (scan.mpAnnounced.count > 0) exerciseBlock(scan.mpBlock, facts)
  return verdict
}

/** True if the message was refused. Throws whatever is not the codec's own error. */
function oneMutation(random: SeededRandom): boolean {
  const octets = randomMutation(random)
  const context = randomContext(random)
  try {
    const framer = new Framer((from, start, end) => {
      if (messageType(from, start) >= 1) decodeMessage(from, start, end, context)
      return true
    })
    const cut = random.below(octets.length)
    framer.push(octets.subarray(0, cut))
    framer.push(octets.subarray(cut))
  } catch (error) {
    if (!(error instanceof BgpError)) throw error
    describeNotification(notificationOf(error))
    return true
  }
  return false
}

/**
 * Runs `count` random messages from `seed` through the codec, three UPDATEs to one mutation of a golden
 * message. Throws at the first that the codec treats otherwise than the oracle, or that makes it throw
 * anything but its own error.
 */
export function soakCodec(seed: number, count: number): SoakCounts {
  const random = new SeededRandom(seed)
  const scan = new UpdateScan()
  const facts = new PathFacts()
  const counts: SoakCounts = {
    none: 0,
    discard: 0,
    withdraw: 0,
    reset: 0,
    mutations: 0,
    mutationErrors: 0,
  }
  for (let done = 0; done < count; done++) {
    if (done % 4 === 3) {
      counts.mutations++
      if (oneMutation(random)) counts.mutationErrors++
    } else counts[oneUpdate(random, scan, facts)]++
  }
  return counts
}
