import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import { dissect } from '../../wire/packet/dissect.ts'
import { fragmentIpv4 } from '../../wire/packet/ipv4-fragments.ts'
import { type Kernel, KernelError } from '../kernel.ts'
import { echoRequest, layLine, record } from '../kernel.contract.ts'
import { createSimulatedMachine, type SimulatedMachine } from './machine.ts'

/** What takes longer than a test on a real kernel may: a - router - b, where the way to b is narrow. */
describe('what the simulated kernel does in its own time', () => {
  const NARROW = 1000
  let clock: VirtualClock
  let machine: SimulatedMachine
  let a: Kernel
  let router: Kernel
  let b: Kernel

  beforeEach(() => {
    clock = new VirtualClock()
    machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
    const host = (name: string): Kernel => {
      const kernel = machine.createNamespace(name)
      kernel.changeLink(kernel.link('lo')!.index, { up: true })
      return kernel
    }
    a = host('a')
    router = host('router')
    b = host('b')
    layLine({ a, router, b })
    for (const kernel of [b, router]) {
      const narrow = kernel.link('to-b') ?? kernel.link('eth0')!
      kernel.changeLink(narrow.index, { mtu: NARROW })
    }
  })

  const ends = { source: '10.1.0.1', destination: '10.2.0.1' }

  /** Sends 1,228 octets; "ok" or the errno. */
  function sendMuch(dontFragment: boolean): string {
    const packet = echoRequest({ ...ends, dataOctets: 1200 })
    if (dontFragment) packet[6] = 0x40
    try {
      a.sendPacket(packet)
      return 'ok'
    } catch (thrown) {
      if (thrown instanceof KernelError) return thrown.code
      throw thrown
    }
  }

  it('learns the MTU of a path, keeps to it, and forgets it after ten minutes', async () => {
    const seen = record(a, a.link('eth0')!)
    const lengths = (): number[] =>
      seen.packets.filter(({ direction }) => direction === 'out').map(({ length }) => length)
    expect(sendMuch(true)).toBe('ok')
    await clock.advance(1000)
    const error = dissect(seen.packets.at(-1)!.octets)!
    expect(error).toMatchObject({
      source: '10.1.0.254',
      payload: { type: 3, code: 4, mtu: NARROW },
    })
    expect(sendMuch(true)).toBe('EMSGSIZE')
    expect(sendMuch(false)).toBe('ok')
    await clock.advance(1000)
    expect(lengths()).toEqual([1228, 996, 252])
    await clock.advance(600_000)
    expect(sendMuch(true)).toBe('ok')
    await clock.advance(1000)
    expect(lengths()).toEqual([1228, 996, 252, 1228])
  })

  it('gives up on fragments after half a minute, and says so', async () => {
    const [first, ...others] = fragmentIpv4(echoRequest({ ...ends, dataOctets: 1200 }), 600)
    const seen = record(a, a.link('eth0')!)
    a.sendPacket(first!)
    await clock.advance(29_000)
    expect(b.counters().get('Ip.ReasmTimeout')).toBe(0)
    await clock.advance(2000)
    expect(b.counters().get('Ip.ReasmTimeout')).toBe(1)
    expect(dissect(seen.packets.at(-1)!.octets)).toMatchObject({
      source: '10.2.0.1',
      payload: { type: 11, code: 1 },
    })
    for (const fragment of others) a.sendPacket(fragment)
    await clock.advance(1000)
    expect(b.counters().get('Icmp.InEchos')).toBe(0)
  })

  it('limits ICMP errors to one host: six at once, then one a second', async () => {
    const errors = async (count: number): Promise<number> => {
      const before = router.counters().get('Icmp.OutTimeExcds')!
      for (let at = 0; at < count; at++) a.sendPacket(echoRequest({ ...ends, ttl: 1 }))
      await clock.advance(10)
      return router.counters().get('Icmp.OutTimeExcds')! - before
    }
    expect(await errors(20)).toBe(6)
    expect(router.counters().get('Icmp.OutRateLimitHost')).toBe(14)
    await clock.advance(1000)
    expect(await errors(20)).toBe(1)
    router.writeSysctl('ipv4.icmp_ratelimit', '0')
    expect(await errors(20)).toBe(20)
  })

  it('carries TCP through loss, delay and packets that overtake each other', async () => {
    const received: Uint8Array[] = []
    b.tcp.listen({ family: 4, port: 179 }, (accepted) => {
      accepted.handlers = {
        onData: (octets) => void received.push(octets.slice()),
        onClose() {},
      }
    })
    const bad = { loss: 0.2, latencyMilliseconds: 20, jitterMilliseconds: 40 }
    machine.impair(router, 'to-a', bad)
    machine.impair(a, 'eth0', bad)
    const sent = new SeededRandom(2).bytes(100_000)
    const connection = a.tcp.connect(
      { remote: { address: ip('10.2.0.1'), port: 179 } },
      {
        onConnect: () => void connection.write(sent),
        onData() {},
        onClose() {},
      },
    )
    await clock.advance(300_000)
    expect(Buffer.concat(received).equals(sent)).toBe(true)
    expect(a.counters().get('Tcp.RetransSegs')).toBeGreaterThan(0)
  })
})
