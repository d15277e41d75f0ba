import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { KernelView } from '../../src/agent/dataplane/kernel-view.ts'
import {
  type DesiredRoutes,
  RoutesReconciler,
} from '../../src/agent/dataplane/routes-reconciler.ts'
import type { KernelEvent } from '../../src/kernel/kernel.ts'
import { silentLog } from '../../src/lib/log.ts'
import { Scheduler } from '../../src/lib/reconcile/scheduler.ts'
import { ip, type IpAddress } from '../../src/net/ip-address.ts'
import { type Prefix, prefix } from '../../src/net/prefix.ts'
import type { RemoteNode } from '../../src/routes/encapsulation.ts'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'

/**
 * How long a question of a node's state waits while a great many routes arrive and are written to the
 * kernel of a namespace made for it: `npm run bench -- dataplane [routes]`, as root on Linux. Beside it
 * the same question of a node where nothing happens, which is what the machine itself takes.
 */
const ROUTES = Number(process.argv[2] ?? 1_000_000)
/** Routes that BGP tells of in one turn, as its feed of best paths does. */
const BATCH = 1_000
const ASK_MILLISECONDS = 20
const QUIET_MILLISECONDS = 2_000
const READING_MILLISECONDS = 15_000

const machine = createLinuxMachine()
const names = [`tb${process.pid}n`, `tb${process.pid}s`] as const
const learned = new Map<Prefix, readonly IpAddress[]>()

/** Asks at a steady pace: what each question waited for its turn and for its answer, in milliseconds. */
function asking(scheduler: Scheduler<KernelEvent>): { stop(): number[] } {
  const waits: number[] = []
  let due = performance.now() + ASK_MILLISECONDS
  const timer = setInterval(() => {
    scheduler.settle()
    scheduler.problems()
    const now = performance.now()
    waits.push(now - Math.min(due, now))
    due = now + ASK_MILLISECONDS
  }, ASK_MILLISECONDS)
  return {
    stop() {
      clearInterval(timer)
      return waits.sort((a, b) => a - b)
    },
  }
}

function report(what: string, waits: readonly number[], delay: number): void {
  const at = (share: number): string =>
    (waits[Math.floor((waits.length - 1) * share)] ?? 0).toFixed(1)
  console.log(
    `${what.padEnd(28)} median ${at(0.5)} ms, 99th ${at(0.99)} ms, worst ${at(1)} ms; ` +
      `event loop held ${delay.toFixed(0)} ms at most`,
  )
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

async function measured(
  what: string,
  scheduler: Scheduler<KernelEvent>,
  work: () => Promise<void>,
): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const questions = asking(scheduler)
  await work()
  delay.disable()
  report(what, questions.stop(), delay.max / 1e6)
}

const [node, uplink] = names.map((name) => machine.createNamespace(name)) as [
  ReturnType<typeof machine.createNamespace>,
  ReturnType<typeof machine.createNamespace>,
]
try {
  node.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'port', kernel: uplink } })
  const { index } = node.link('eth0')!
  for (const end of [node.link('lo')!.index, index]) node.changeLink(end, { up: true })
  uplink.changeLink(uplink.link('port')!.index, { up: true })
  const address = ip('10.0.0.1')
  node.addAddress({ linkIndex: index, address, prefixLength: 24, scope: 'global' })
  const view = new KernelView(node)
  view.read()
  const scheduler = new Scheduler<KernelEvent>({
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  })
  const remote = new Map<Prefix, RemoteNode>()
  const reconciler = new RoutesReconciler({ kernel: node, view, log: silentLog, learned, remote })
  const routes = scheduler.add(reconciler)
  const watch = node.watch((event) => {
    view.observe(event)
    scheduler.observe(event)
  })
  const desired: DesiredRoutes = {
    pods: [],
    blocks: [],
    surroundings: {
      pools: [{ cidr: prefix('16.0.0.0/4'), ipipMode: 'Never', vxlanMode: 'Never' }],
      serviceRanges: [],
      nodeNetworks: [prefix('10.0.0.0/24')],
      tunnelLinkIndex: undefined,
      pathMtus: {},
      vxlanLinkIndex: undefined,
      uplinkIndex: undefined,
    },
    keepsLearned: false,
    keepsRemote: false,
  }
  routes.want(desired)
  const settled = async (): Promise<void> => {
    do await pause(5)
    while (scheduler.problems().length > 0)
  }
  await measured('nothing happens', scheduler, () => pause(QUIET_MILLISECONDS))
  const began = performance.now()
  await measured(`${ROUTES} routes arrive`, scheduler, async () => {
    for (let from = 0; from < ROUTES; from += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, ROUTES - from) }, (_, n) => {
        const number = from + n
        return prefix(`${16 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}.0/24`)
      })
      for (const destination of batch) learned.set(destination, [ip('10.0.0.2')])
      if (reconciler.touch(batch)) routes.request()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await settled()
  })
  console.log(`in the kernel after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  await measured('all are worked out again', scheduler, async () => {
    routes.want({ ...desired, surroundings: { ...desired.surroundings } })
    await settled()
  })
  await measured('all are read again', scheduler, async () => {
    scheduler.forget()
    await pause(READING_MILLISECONDS)
  })
  watch.close()
  scheduler.stop()
} finally {
  node.close()
  uplink.close()
  for (const name of names) machine.deleteNamespace(name)
}
