import { Command } from '@commander-js/extra-typings'
import { describe, expect, it } from 'vitest'
import { debugMethods } from '../api/debug-methods.ts'
import type { AgentApi, DebugApi } from '../api/methods.ts'
import { fakeConnection } from '../api/testing/fake-connection.ts'
import {
  AGENT_TOPICS,
  BGPD_TOPICS,
  debugSwitches,
  type DebugTopic,
  switchTopics,
} from '../lib/debug-topics.ts'
import { silentLog } from '../lib/log.ts'
import { debugCommand } from './debug.ts'
import { debugOption } from './debug-option.ts'
import { testContext } from './testing/test-context.ts'

/** A process that tells of `known` topics. */
function telling(known: readonly DebugTopic[]) {
  const topics = debugSwitches()
  const methods = debugMethods({ ...silentLog, topics }, known)
  const answer = async (_: string, params: unknown): Promise<unknown> =>
    methods.debug(params as { topics?: string[] })
  return { topics, answer }
}

function setUp() {
  const agents = { server01: telling(AGENT_TOPICS), server02: telling(AGENT_TOPICS) }
  const bgpd = telling(BGPD_TOPICS)
  const run = async (argv: string): Promise<string> => {
    const context = testContext({
      openAgents: (_target, nodes = ['server01', 'server02']) =>
        Promise.resolve({
          agents: nodes.map((node) => ({
            node,
            call: fakeConnection<AgentApi>(agents[node as keyof typeof agents].answer).call,
          })),
          close() {},
        }),
    })
    const command = new Command('debug').exitOverride()
    debugCommand((path) =>
      path === '/absent'
        ? Promise.reject(new Error('connect ENOENT /absent'))
        : Promise.resolve(fakeConnection<DebugApi>(bgpd.answer)),
    )(command, context)
    await command.parseAsync(argv === '' ? [] : argv.split(' '), { from: 'user' })
    return context.written.out
  }
  return { agents, bgpd, run }
}

describe('tortie debug', () => {
  it('switches topics of all nodes of a lab, and off again', async () => {
    const { agents, run } = setUp()
    expect(await run('netlink,store bgp.fsm')).toBe(
      'PROCESS    TELLS OF\n' +
        'server01   bgp.fsm, netlink, store\nserver02   bgp.fsm, netlink, store\n',
    )
    expect(await run('cni --node server02')).toBe('PROCESS    TELLS OF\nserver02   cni\n')
    expect(agents.server01.topics.netlink).toBe(true)
    expect(await run('off')).toContain('server01   off\nserver02   off\n')
    expect(Object.values(agents.server01.topics)).not.toContain(true)
  })

  it('shows what is on and what there is, and changes nothing', async () => {
    const { agents, run } = setUp()
    switchTopics(agents.server01.topics, ['routes'])
    const text = await run('')
    expect(text).toContain('server01   routes\nserver02   off\n\nTOPIC')
    for (const topic of AGENT_TOPICS) expect(text).toMatch(new RegExp(`^${topic} +each `, 'm'))
    expect(agents.server01.topics.routes).toBe(true)
  })

  it('asks an agent or a bgpd by its socket', async () => {
    const { bgpd, run } = setUp()
    expect(await run('routes --socket /run/bgpd.sock')).toContain('/run/bgpd.sock   routes\n')
    expect(bgpd.topics.routes).toBe(true)
    await expect(run('store --socket /run/bgpd.sock')).rejects.toThrow(
      'There is no debug topic "store" (topics: bgp.message, bgp.fsm, routes, netlink)',
    )
  })

  it.each([
    ['netlink --socket /absent', 'Nothing answers at /absent: connect ENOENT /absent'],
    ['netlink --socket /a --node server01', 'Expected --socket, or --node and --lab, found both'],
    ['off netlink', 'Expected "off" or topics, found both'],
    ['netlnk', 'did you mean netlink? (topics: bgp.message, bgp.fsm, routes, netlink, store, cni)'],
  ])('refuses %s', async (argv, message) => {
    const { agents, run } = setUp()
    await expect(run(argv)).rejects.toThrow(message)
    expect(Object.values(agents.server01.topics)).not.toContain(true)
  })
})

describe('--debug', () => {
  const parse = (...argv: string[]) =>
    new Command().addOption(debugOption(BGPD_TOPICS)).parse(argv, { from: 'user' }).opts().debug

  it('takes topics with commas between, and none', () => {
    expect(parse()).toEqual([])
    expect(parse('--debug', 'routes, netlink')).toEqual(['routes', 'netlink'])
    expect(() => parse('--debug', 'bgp.fms')).toThrow('did you mean bgp.fsm?')
  })
})
