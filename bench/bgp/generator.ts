// The feeder, sink or watcher process: takes its configuration and orders from the runner over IPC.
import type { Order } from './control.ts'
import { Feeder } from './feeder.ts'
import { Sink } from './sink.ts'
import { Watcher } from './watcher.ts'

let feeder: Feeder | undefined

async function obey(order: Order): Promise<void> {
  if (order.do === 'announce') await feeder!.announce()
  else if (order.do === 'withdraw') await feeder!.withdraw()
  else if (order.config.role === 'feeder') {
    feeder = new Feeder(order.config)
    await feeder.establish()
  } else if (order.config.role === 'sink') await new Sink(order.config).establish()
  else await new Watcher(order.config).establish()
}

process.on('message', (order: Order) => {
  obey(order).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit(0))
