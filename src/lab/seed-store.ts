import { hex } from '../lib/bytes.ts'
import { silentLog } from '../lib/log.ts'
import type { Draft } from '../model/resource.ts'
import { Resources } from '../store/resources.ts'
import type { LabPorts } from './lab-ports.ts'
import type { LabPlan } from './plan.ts'

/** Fills a lab's store with what an installation would have put there, as soon as the store answers. */
export async function seedStore({ lab, resources }: LabPlan, ports: LabPorts): Promise<void> {
  const { clock, random, programs } = ports
  const store = await programs.openStore(lab)
  try {
    const client = new Resources({ store, clock, random, log: silentLog })
    const clusterGUID = hex(random.bytes(16))
    for (const draft of resources) await client.create(identified(draft, clusterGUID))
  } finally {
    store.close()
  }
}

/** The cluster's identity is random, and so no part of a plan. */
function identified(draft: Draft, clusterGUID: string): Draft {
  if (draft.kind !== 'ClusterInformation') return draft
  return { ...draft, spec: { ...draft.spec, clusterGUID } }
}
