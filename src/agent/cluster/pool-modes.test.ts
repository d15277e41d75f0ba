import { expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog, type LogFields } from '../../lib/log.ts'
import { parseResource } from '../../model/parse-resource.ts'
import { ClusterView } from './cluster-view.ts'
import { PoolModes } from './pool-modes.ts'

it('has packets of IPv6 pools go bare, and says so once', () => {
  const view = new ClusterView()
  const told: (LogFields | undefined)[] = []
  const modes = new PoolModes({
    node: 'one',
    view,
    clock: new VirtualClock(),
    log: { ...silentLog, warn: (_, fields) => void told.push(fields) },
    onAged() {},
  })
  for (const [name, cidr] of [
    ['four', '10.1.0.0/16'],
    ['six', 'fd00:10::/48'],
  ] as const) {
    const spec = { cidr, vxlanMode: 'Always', ipipMode: 'Never' }
    view.set(parseResource({ kind: 'IPPool', metadata: { name }, spec }))
  }
  modes.update()
  modes.update()
  expect(told).toEqual([{ pool: 'six', vxlanMode: 'Always' }])
  expect(modes.current.map(({ vxlanMode }) => vxlanMode).toSorted()).toEqual(['Always', 'Never'])
})
