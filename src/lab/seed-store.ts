import { silentLog } from '../lib/log.ts'
import { Resources } from '../store/resources.ts'
import type { LabPorts } from './lab-ports.ts'
import type { LabPlan } from './plan.ts'

/** Fills a lab's store with what an installation would have put there, as soon as the store answers. */
export async function seedStore({ lab, resources }: LabPlan, ports: LabPorts): Promise<void> {
  const { clock, random, programs } = ports
  const store = await programs.openStore(lab)
  try {
    const client = new Resources({ store, clock, random, log: silentLog })
    for (const draft of resources) await client.create(draft)
  } finally {
    store.close()
  }
}
