import { expect, it } from 'vitest'
import { createSimulatedMachine } from '../../src/kernel/sim/machine.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { MemoryTextFile } from '../../src/lib/text-file.ts'
import { ProcessKilled, SimulatedProcess } from './simulated-process.ts'

const LISTEN = { family: 4, port: 179 } as const

function host() {
  const machine = createSimulatedMachine({
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    log: silentLog,
  })
  machine.createNamespace('host').close()
  return () => machine.openNamespace('host')
}

it('ends at a socket before there is one', () => {
  const open = host()
  const life = new SimulatedProcess()
  const { tcp } = life.kernel(open())
  life.killAtStep = 1
  expect(() => tcp.listen(LISTEN, () => {})).toThrow(ProcessKilled)
  expect(life.alive).toBe(false)
  expect(open().tcp.listen(LISTEN, () => {}).port).toBe(179)
})

it('opens no socket once it is dead, and leaves none', () => {
  const open = host()
  const life = new SimulatedProcess()
  const { tcp, udp } = life.kernel(open())
  tcp.listen(LISTEN, () => {})
  life.kill()
  expect(() => tcp.listen(LISTEN, () => {})).toThrow(ProcessKilled)
  expect(() => udp.bind(LISTEN, () => {})).toThrow(ProcessKilled)
  expect(open().tcp.listen(LISTEN, () => {}).port).toBe(179)
})

it('writes no file once it is dead', async () => {
  const file = new MemoryTextFile()
  const life = new SimulatedProcess()
  const own = life.port(file)
  await own.write('alive')
  life.kill()
  expect(() => own.write('dead')).toThrow(ProcessKilled)
  expect(file.text).toBe('alive')
})
