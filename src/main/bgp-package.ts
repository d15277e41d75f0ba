import { createBfd } from '../bgp/bfd/create-bfd.ts'
import type { SpeakerPorts } from '../bgp/speaker.ts'
import type { Closable } from '../lib/closable.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { createLinuxMachine } from '../platform/linux/machine.ts'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'

export * from '../bgp/index.ts'

/**
 * What a speaker needs, from this machine: its time, its randomness, its TCP and UDP in a network
 * namespace. With MD5, GTSM and addresses to connect from, which Node's own sockets do not have.
 *
 * @param options.namespace name or path of a network namespace; that of this process when absent
 * @throws Error where this is not Linux
 */
export function hostPorts(
  options: { readonly log?: Log; readonly namespace?: string } = {},
): SpeakerPorts & Closable {
  const { log = silentLog, namespace = '/proc/self/ns/net' } = options
  if (process.platform !== 'linux') {
    throw new Error(
      `Expected Linux, this is ${process.platform}: give createSpeaker ports of your own`,
    )
  }
  const { tcp, udp, close } = opened(namespace)
  const bfd = createBfd({ clock: systemClock, random: systemRandom, udp, log })
  return {
    clock: systemClock,
    random: systemRandom,
    tcp,
    log,
    bfd,
    defer: (task) => void setImmediate(task),
    close() {
      bfd.close()
      close()
    },
  }
}

function opened(namespace: string) {
  const machine = createLinuxMachine()
  const { tcp, udp } = machine.openNamespace(namespace)
  return { tcp, udp, close: () => machine.close() }
}
