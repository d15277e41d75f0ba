import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unpackedPeer } from '../support/peer-packages.ts'
import { CHECKS } from './features.ts'
import { type Feature, FEATURES, type PeerDriver } from './peer.ts'
import { bird, bird2 } from './peers/bird.ts'
import { exabgp } from './peers/exabgp.ts'
import { frr } from './peers/frr.ts'
import { gobgp } from './peers/gobgp.ts'
import { openbgpd } from './peers/openbgpd.ts'
import { type Outcome, outcomeTable } from './outcome-table.ts'
import { World } from './world.ts'

/**
 * Tortie's speaker against Debian's daemons: features down, peers across. A cell fails if the feature
 * fails, unless the driver says that the peer lacks it. A complete run writes the table into the docs.
 */
const DRIVERS: readonly PeerDriver[] = [bird, bird2, frr, gobgp, openbgpd, exabgp]
const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('interoperation: skipped, network namespaces need root')

const features = Object.keys(FEATURES) as Feature[]
const outcomes = new Map<PeerDriver, Map<Feature, Outcome>>()

for (const driver of DRIVERS) {
  const unpacked = isRoot ? unpackedPeer(driver.package) : { missing: 'needs root' }
  if (isRoot && 'missing' in unpacked) {
    console.log(`interoperation: ${driver.title} skipped, ${unpacked.missing}`)
  }
  describe.skipIf('missing' in unpacked)(`with ${driver.title}`, () => {
    let world: World | undefined
    const cells = new Map<Feature, Outcome>()

    beforeAll(async () => {
      world = await World.start(driver)
      outcomes.set(driver, cells)
    })

    afterAll(async () => {
      await world?.close()
    })

    for (const feature of features) {
      const lacks = driver.lacks[feature]
      if (lacks !== undefined) {
        cells.set(feature, { kind: 'lacking', why: lacks })
        it.skip(`${FEATURES[feature]} (${lacks})`, () => {})
        continue
      }
      it(FEATURES[feature], async () => {
        cells.set(feature, { kind: 'failed' })
        await CHECKS[feature](world!)
        cells.set(feature, { kind: 'works' })
      })
    }
  })
}

describe.skipIf(!isRoot)('the table of interoperation', () => {
  it('is written when every peer was there and every cell was tried', () => {
    const complete = DRIVERS.every((driver) => outcomes.get(driver)?.size === features.length)
    if (!complete) {
      console.log('interoperation: the table in docs is left as it is, the run was not complete')
      return
    }
    const columns = DRIVERS.map((driver) => {
      const unpacked = unpackedPeer(driver.package)
      const version = 'version' in unpacked ? unpacked.version.replace(/[-+~].*$/, '') : ''
      return { title: driver.title, version, cells: outcomes.get(driver)! }
    })
    const text = outcomeTable(columns)
    expect(text).toContain('| BIRD')
    writeFileSync(join(import.meta.dirname, '../../docs/interoperation.md'), text)
  })
})
