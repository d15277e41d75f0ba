import { expect, it } from 'vitest'
import { silentLog, type LogFields } from '../../lib/log.ts'
import { parseResource } from '../../model/parse-resource.ts'
import { BarePools } from './bare-pools.ts'
import { ClusterView } from './cluster-view.ts'
import { poolEncapsulations } from './pool-encapsulations.ts'

it('are IPv6 pools with VXLAN, which is said once', () => {
  const view = new ClusterView()
  const told: (LogFields | undefined)[] = []
  const bare = new BarePools({ ...silentLog, warn: (_, fields) => void told.push(fields) })
  for (const [name, cidr] of [
    ['four', '10.1.0.0/16'],
    ['six', 'fd00:10::/48'],
  ] as const) {
    const spec = { cidr, vxlanMode: 'Always', ipipMode: 'Never' }
    view.set(parseResource({ kind: 'IPPool', metadata: { name }, spec }))
  }
  bare.tell(view.list('IPPool'))
  bare.tell(view.list('IPPool'))
  expect(told).toEqual([{ pool: 'six', vxlanMode: 'Always' }])
  const modes = poolEncapsulations(view).map(({ vxlanMode }) => vxlanMode)
  expect(modes.toSorted()).toEqual(['Always', 'Never'])
})
