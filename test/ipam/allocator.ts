// One allocator of the test: takes addresses and gives some back until it is killed.
//
//   argv: address of the store, node, name, "at once" or "one by one": how it changes objects
//   out:  "+handle address" once it has one, "-handle" before it gives one back
import { writeSync } from 'node:fs'
import { Ipam } from '../../src/ipam/ipam.ts'
import { RowIpamStore } from '../../src/ipam/row-ipam-store.ts'
import { IpamError } from '../../src/ipam/ipam-error.ts'
import { silentLog } from '../../src/lib/log.ts'
import { etcdStore } from '../../src/main/open-etcd-store.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { Resources } from '../../src/store/resources.ts'

const [address, node, name, way] = process.argv.slice(2) as [string, string, string, string]
const store = await etcdStore(address)
const ports = { store, clock: systemClock, random: systemRandom, log: silentLog }
const ipam = new Ipam({
  ...ports,
  store: new RowIpamStore({ ...ports, oneByOne: way === 'one by one' }),
  resources: new Resources(ports),
})
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
