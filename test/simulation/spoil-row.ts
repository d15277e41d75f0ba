import { FOLLOWED_KINDS } from '../../src/agent/cluster/cluster-view.ts'
import { KINDS } from '../../src/model/kinds.ts'
import { resourcePrefix } from '../../src/store/keys.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { Fault } from './schedule.ts'
import { fieldsOf, MISTAKES, wrongRow } from './wrong-rows.ts'

type Spoil = Extract<Fault, { do: 'spoil' }>

interface Target {
  readonly kind: (typeof FOLLOWED_KINDS)[number]
  readonly key: string
  /** Undefined where there is no such row, and one is made. */
  readonly good: string | undefined
}

/** Writes a mistake into a row, and what was there before when the time is over and nobody else wrote it. */
export async function spoilRow(cluster: SimulatedCluster, fault: Spoil): Promise<void> {
  const { clock, shared, spoilt } = cluster
  const targets = await targetsIn(cluster)
  const target = targets[fault.row % targets.length]
  if (target === undefined) return
  const { kind, key, good } = target
  const fields = fieldsOf(kind)
  const field = fields[fault.field % fields.length]!
  const mistake = MISTAKES[fault.mistake % MISTAKES.length]!
  const value = wrongRow(good ?? hostile(kind), field, mistake)
  spoilt.add(key)
  // Not where the row has gone in the meantime: it would come to life again.
  const compare = [{ key, exists: good !== undefined }]
  const { revision } = await shared.transact({ compare, success: [{ put: key, value }] })
  clock.after(fault.for, () => {
    spoilt.delete(key)
    const mended = good === undefined ? { delete: key } : { put: key, value: good }
    void shared.transact({ compare: [{ key, modRevision: revision }], success: [mended] })
  })
}

/** Every row that agents follow, and one more of each kind. */
async function targetsIn({ shared, spoilt }: SimulatedCluster): Promise<readonly Target[]> {
  const found: Target[] = []
  for (const kind of FOLLOWED_KINDS) {
    const { rows } = await shared.list(resourcePrefix(kind))
    for (const { key, value } of rows) found.push({ kind, key, good: value })
    const key = `${resourcePrefix(kind)}hostile`
    if (!rows.some((row) => row.key === key)) found.push({ kind, key, good: undefined })
  }
  return found.filter(({ key }) => !spoilt.has(key))
}

function hostile(kind: keyof typeof KINDS): string {
  const metadata = { name: 'hostile' }
  return JSON.stringify({ kind, apiVersion: 'projectcalico.org/v3', metadata, spec: {} })
}
