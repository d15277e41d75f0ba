// One allocator of the test: takes addresses and gives some back until it is killed.
//
//   argv: address of the store, node, name
//   out:  "+handle address" once it has one, "-handle" before it gives one back
import { writeSync } from 'node:fs'
import { Ipam } from '../../src/ipam/ipam.ts'
import { IpamError } from '../../src/ipam/ipam-error.ts'
import { silentLog } from '../../src/lib/log.ts'
import { etcdStore } from '../../src/main/open-etcd-store.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'

const [address, node, name] = process.argv.slice(2) as [string, string, string]
const store = await etcdStore(address)
const ipam = new Ipam({ store, clock: systemClock, random: systemRandom, log: silentLog })
const held: string[] = []

async function giveBack(): Promise<void> {
  const handle = held.splice(systemRandom.below(held.length), 1)[0]!
  writeSync(1, `-${handle}\n`)
  await ipam.releaseByHandle(handle)
}

for (let at = 0; ; at++) {
  const handle = `${name}.${at}`
  try {
    const request = { node, handle, attributes: { node }, family: 4, use: 'Workload' } as const
    const [assignment] = await ipam.autoAssign(request)
    held.push(handle)
    writeSync(1, `+${handle} ${assignment!.address}\n`)
  } catch (thrown) {
    if (!(thrown instanceof IpamError)) throw thrown
    if (held.length > 0) await giveBack()
  }
  if (held.length > 4) await giveBack()
}
