import { describe, expect, it } from 'vitest'
import { openSimulatedLab } from './simulated-lab.ts'

describe('the seed on the simulated kernel', () => {
  it('comes up, routes as on the real one, and goes', async () => {
    const { machine, close } = await openSimulatedLab('seed')
    const server01 = machine.openNamespace('server01')
    const routes = server01
      .routes()
      .map((route) => `${route.type} ${route.destination} ${route.protocol}`)
    expect(routes).toEqual(
      expect.arrayContaining([
        'blackhole 10.211.0.0/24 12',
        'unicast 10.211.0.6/32 3',
        'unicast 10.211.1.0/24 12',
        'unicast 10.211.2.0/24 12',
      ]),
    )
    await close()
    expect(machine.namespaces()).toEqual([])
  })
})
